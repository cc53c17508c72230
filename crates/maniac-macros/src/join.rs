//! `join!` and `try_join!`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, Token};

/// Which macro.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    All,
    UntilError,
}

pub(crate) fn expand(input: TokenStream, kind: Kind) -> TokenStream {
    let futures = match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(input) {
        Ok(futures) => futures,
        Err(error) => return error.to_compile_error(),
    };
    let name = |prefix: &str, index: usize| Ident::new(&format!("{prefix}{index}"), Span::mixed_site());
    let futures: Vec<_> = futures.into_iter().collect();
    let pinned: Vec<_> = (0..futures.len()).map(|index| name("future", index)).collect();
    let values: Vec<_> = (0..futures.len()).map(|index| name("value", index)).collect();
    let (keep, all) = match kind {
        Kind::All => (quote!(value), quote!((#(#values.take().expect("all are done"),)*))),
        Kind::UntilError => (
            quote!(match value {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(error) => {
                    return ::core::task::Poll::Ready(::core::result::Result::Err(error));
                }
            }),
            quote!(::core::result::Result::Ok((#(#values.take().expect("all are done"),)*))),
        ),
    };
    quote! {{
        #(
            let mut #pinned = ::core::pin::pin!(::core::future::IntoFuture::into_future(#futures));
            let mut #values = ::core::option::Option::None;
        )*
        ::core::future::poll_fn(|cx| {
            let mut pending = false;
            #(
                if #values.is_none() {
                    match ::core::future::Future::poll(#pinned.as_mut(), cx) {
                        ::core::task::Poll::Ready(value) => #values = ::core::option::Option::Some(#keep),
                        ::core::task::Poll::Pending => pending = true,
                    }
                }
            )*
            if pending {
                return ::core::task::Poll::Pending;
            }
            ::core::task::Poll::Ready(#all)
        })
        .await
    }}
}
