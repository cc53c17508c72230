//! The stack switch: corosensei's, or a stand-in of the same shape where there is none. A stack cannot be had there,
//! so nothing of the stand-in can ever run.

#[cfg(coroutines)]
pub(crate) use corosensei::{Coroutine, CoroutineResult, Yielder, stack::Stack as Switchable};

#[cfg(not(coroutines))]
pub(crate) use stand_in::{Coroutine, CoroutineResult, Yielder};

#[cfg(not(coroutines))]
mod stand_in {
    use std::marker::PhantomData;

    use crate::stack::Stack;

    #[expect(dead_code, reason = "matched, never made")]
    pub(crate) enum CoroutineResult<Yield, Return> {
        Yield(Yield),
        Return(Return),
    }

    pub(crate) struct Yielder<Input, Yield> {
        stack: Stack,
        _values: PhantomData<fn(Yield) -> Input>,
    }

    impl<Input, Yield> Yielder<Input, Yield> {
        pub(crate) fn suspend(&self, _value: Yield) -> Input {
            self.stack.never()
        }
    }

    pub(crate) struct Coroutine<Input, Yield, Return, S> {
        stack: S,
        _values: PhantomData<fn(Input) -> (Yield, Return)>,
    }

    impl<Input, Yield, Return> Coroutine<Input, Yield, Return, Stack> {
        pub(crate) fn with_stack<F>(stack: Stack, _entry: F) -> Self
        where
            F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
        {
            Self { stack, _values: PhantomData }
        }

        pub(crate) fn resume(&mut self, _value: Input) -> CoroutineResult<Yield, Return> {
            self.stack.never()
        }

        pub(crate) fn into_stack(self) -> Stack {
            self.stack
        }
    }
}
