//! `select!`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Pat, Token, parse_quote};

/// `pattern = future [, if condition] => handler`
struct Branch {
    pattern: Pat,
    future: Expr,
    condition: Option<Expr>,
    handler: Expr,
}

struct Select {
    biased: bool,
    branches: Vec<Branch>,
    otherwise: Option<Expr>,
}

/// As many as there are bits to remember which are disabled.
const MOST: usize = 64;

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut select = Select { biased: false, branches: Vec::new(), otherwise: None };
        if input.peek(syn::Ident) && input.peek2(Token![;]) {
            let word: Ident = input.parse()?;
            if word != "biased" {
                return Err(syn::Error::new(word.span(), "expected `biased;` or a branch"));
            }
            input.parse::<Token![;]>()?;
            select.biased = true;
        }
        while !input.is_empty() {
            if input.peek(Token![else]) {
                input.parse::<Token![else]>()?;
                input.parse::<Token![=>]>()?;
                select.otherwise = Some(handler(input)?);
                if !input.is_empty() {
                    return Err(input.error("`else` must be the last branch"));
                }
                break;
            }
            select.branches.push(branch(input)?);
        }
        if select.branches.is_empty() || select.branches.len() > MOST {
            return Err(syn::Error::new(
                Span::call_site(),
                "select! takes 1 to 64 branches: `pattern = future => handler`",
            ));
        }
        Ok(select)
    }
}

fn branch(input: ParseStream<'_>) -> syn::Result<Branch> {
    let pattern = Pat::parse_multi_with_leading_vert(input)?;
    input.parse::<Token![=]>()?;
    let future = input.parse()?;
    let condition = if input.parse::<Option<Token![,]>>()?.is_some() {
        input.parse::<Token![if]>()?;
        Some(input.parse()?)
    } else {
        None
    };
    input.parse::<Token![=>]>()?;
    Ok(Branch { pattern, future, condition, handler: handler(input)? })
}

/// A handler: a block, after which the comma may be left out, or an expression.
fn handler(input: ParseStream<'_>) -> syn::Result<Expr> {
    let block = input.peek(syn::token::Brace);
    let handler = if block {
        Expr::Block(syn::ExprBlock { attrs: Vec::new(), label: None, block: input.parse()? })
    } else {
        input.parse()?
    };
    let comma = input.parse::<Option<Token![,]>>()?;
    if comma.is_none() && !block && !input.is_empty() {
        return Err(input.error("expected `,` after the handler"));
    }
    Ok(handler)
}

/// Turns a pattern into one that binds nothing, to ask whether it matches without moving.
struct Unbind;

impl VisitMut for Unbind {
    fn visit_pat_mut(&mut self, pattern: &mut Pat) {
        if let Pat::Ident(binding) = pattern {
            let constant = binding.by_ref.is_none()
                && binding.mutability.is_none()
                && binding.subpat.is_none()
                && binding.ident.to_string().starts_with(char::is_uppercase);
            match binding.subpat.take() {
                Some((_, inside)) => *pattern = *inside,
                None if constant => return,
                None => *pattern = parse_quote!(_),
            }
        }
        visit_mut::visit_pat_mut(self, pattern);
    }
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2::<Select>(input) {
        Ok(select) => select.expand(),
        Err(error) => error.to_compile_error(),
    }
}

impl Select {
    fn expand(self) -> TokenStream {
        let count = self.branches.len();
        let name = |prefix: &str, index: usize| Ident::new(&format!("{prefix}{index}"), Span::mixed_site());
        let types: Vec<_> = (0..count).map(|index| name("T", index)).collect();
        let variants: Vec<_> = (0..count).map(|index| name("Branch", index)).collect();
        let pinned: Vec<_> = (0..count).map(|index| name("future", index)).collect();
        let futures: Vec<_> = self.branches.iter().map(|branch| &branch.future).collect();
        let handlers: Vec<_> = self.branches.iter().map(|branch| &branch.handler).collect();
        let patterns: Vec<_> = self.branches.iter().map(|branch| &branch.pattern).collect();
        let disabled = self.branches.iter().enumerate().filter_map(|(index, branch)| {
            let condition = branch.condition.as_ref()?;
            Some(quote!(if !(#condition) { disabled |= 1u64 << #index; }))
        });
        let polls = (0..count).map(|index| self.poll(index, &pinned[index], &variants[index]));
        let start =
            if self.biased { quote!(0usize) } else { quote!(::maniac::__private::random_below(#count)) };
        let otherwise = match &self.otherwise {
            Some(handler) => quote!(#handler),
            None => quote!(::core::panic!("all branches of select! are disabled, and there is no `else`")),
        };
        let all = if count == MOST { quote!(u64::MAX) } else { quote!((1u64 << #count) - 1) };
        quote! {{
            enum Selected<#(#types),*> { #(#variants(#types),)* Disabled }
            let selected = {
                let mut disabled = 0u64;
                #(#disabled)*
                #(let mut #pinned = ::core::pin::pin!(::core::future::IntoFuture::into_future(#futures));)*
                ::core::future::poll_fn(|cx| {
                    let start = #start;
                    for step in 0..#count {
                        let turn = start + step;
                        match if turn < #count { turn } else { turn - #count } {
                            #(#polls)*
                            _ => ::core::unreachable!(),
                        }
                    }
                    if disabled == #all {
                        return ::core::task::Poll::Ready(Selected::Disabled);
                    }
                    ::core::task::Poll::Pending
                })
                .await
            };
            // The futures are gone: handlers may use what they borrowed.
            match selected {
                #(Selected::#variants(#patterns) => #handlers,)*
                Selected::Disabled => #otherwise,
                #[allow(unreachable_patterns)]
                _ => ::core::unreachable!("a branch is selected when its pattern matches"),
            }
        }}
    }

    /// The arm that polls one branch, unless it is disabled; a value that does not match its pattern disables it.
    fn poll(&self, index: usize, pinned: &Ident, variant: &Ident) -> TokenStream {
        let mut matches = self.branches[index].pattern.clone();
        Unbind.visit_pat_mut(&mut matches);
        quote! {
            #index if disabled & 1u64 << #index == 0 => {
                if let ::core::task::Poll::Ready(value) = ::core::future::Future::poll(#pinned.as_mut(), cx) {
                    #[allow(unreachable_patterns, unused_variables)]
                    match &value {
                        #matches => return ::core::task::Poll::Ready(Selected::#variant(value)),
                        _ => disabled |= 1u64 << #index,
                    }
                }
            }
            #index => {}
        }
    }
}
