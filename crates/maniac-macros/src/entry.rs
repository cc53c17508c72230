//! `#[main]` and `#[test]`: a function around an async body.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Ident, ItemFn, LitInt, Token, parenthesized};

/// Which attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

/// The arguments of the attribute.
#[derive(Default)]
struct Arguments {
    workers: Option<LitInt>,
    single_threaded: bool,
    start_paused: bool,
    coroutines: Option<Token![unsafe]>,
}

enum Argument {
    Workers(LitInt),
    SingleThreaded,
    StartPaused,
    Coroutines(Token![unsafe]),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if let Some(keyword) = input.parse::<Option<Token![unsafe]>>()? {
            let inside;
            parenthesized!(inside in input);
            let name: Ident = inside.parse()?;
            if name != "coroutines" {
                return Err(syn::Error::new(name.span(), "expected `unsafe(coroutines)`"));
            }
            return Ok(Argument::Coroutines(keyword));
        }
        let name: Ident = input.parse()?;
        match name.to_string().as_str() {
            "workers" => {
                input.parse::<Token![=]>()?;
                Ok(Argument::Workers(input.parse()?))
            }
            "single_threaded" => Ok(Argument::SingleThreaded),
            "start_paused" => Ok(Argument::StartPaused),
            _ => Err(syn::Error::new(
                name.span(),
                "expected `workers = N`, `single_threaded`, `start_paused` or `unsafe(coroutines)`",
            )),
        }
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Arguments::default();
        for argument in Punctuated::<Argument, Token![,]>::parse_terminated(input)? {
            match argument {
                Argument::Workers(count) => arguments.workers = Some(count),
                Argument::SingleThreaded => arguments.single_threaded = true,
                Argument::StartPaused => arguments.start_paused = true,
                Argument::Coroutines(keyword) => arguments.coroutines = Some(keyword),
            }
        }
        Ok(arguments)
    }
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream, kind: Kind) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        // The item as it stands, so that editors still see what is in it.
        Err(error) => return with_error(item, &error),
    };
    match syn::parse2(arguments).and_then(|arguments| wrap(&arguments, function, kind)) {
        Ok(tokens) => tokens,
        Err(error) => with_error(item, &error),
    }
}

fn with_error(mut item: TokenStream, error: &syn::Error) -> TokenStream {
    item.extend(error.to_compile_error());
    item
}

fn wrap(arguments: &Arguments, mut function: ItemFn, kind: Kind) -> syn::Result<TokenStream> {
    check(arguments, &function, kind)?;
    let start = start(arguments, kind);
    let (attributes, visibility, body) = (&function.attrs, &function.vis, &function.block);
    function.sig.asyncness = None;
    let signature = &function.sig;
    let test = (kind == Kind::Test).then(|| quote!(#[::core::prelude::v1::test]));
    let pause = arguments.start_paused.then(|| quote!(::maniac::time::pause();));
    // The body's own place, so that errors in it point there.
    let run = quote_spanned! {body.span()=>
        runtime.block_on(async { #pause #body })
    };
    Ok(quote! {
        #(#attributes)*
        #test
        #visibility #signature {
            let runtime = #start.expect("the runtime could not be built");
            #run
        }
    })
}

fn check(arguments: &Arguments, function: &ItemFn, kind: Kind) -> syn::Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(syn::Error::new(signature.fn_token.span, "the function must be `async`"));
    }
    if let Some(input) = signature.inputs.first() {
        return Err(syn::Error::new(input.span(), "the function takes no arguments"));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new(signature.generics.span(), "the function cannot be generic"));
    }
    if let Some(workers) =
        arguments.workers.as_ref().filter(|_| arguments.single_threaded || arguments.start_paused)
    {
        return Err(syn::Error::new(workers.span(), "a single-threaded runtime has no workers"));
    }
    if arguments.start_paused && kind == Kind::Main {
        return Err(syn::Error::new(signature.fn_token.span, "`start_paused` is for tests"));
    }
    Ok(())
}

/// The expression that builds the runtime.
fn start(arguments: &Arguments, kind: Kind) -> TokenStream {
    if arguments.single_threaded || arguments.start_paused {
        return quote!(::maniac::runtime::Runtime::new_single_threaded());
    }
    let workers = match (&arguments.workers, kind) {
        (Some(count), _) => Some(quote!(.worker_count(#count))),
        (None, Kind::Test) => Some(quote!(.worker_count(1))),
        (None, Kind::Main) => None,
    };
    let builder = quote!(::maniac::runtime::Runtime::builder()#workers);
    match arguments.coroutines {
        // The caller's own `unsafe`, at the caller's place.
        Some(keyword) => quote!(#keyword { #builder.coroutines() }.build()),
        None => quote!(#builder.build()),
    }
}
