/* A library of Windows' that Rust's standard library takes random bytes from, and that wine has only since version 9. */

#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count)
{
    const SIZE_T most = 1 << 16;
    while (count > 0) {
        SIZE_T now = count < most ? count : most;
        if (!RtlGenRandom(bytes, (ULONG)now)) {
            return FALSE;
        }
        bytes += now;
        count -= now;
    }
    return TRUE;
}
