/** Classes that can be called without `new`, as those of `node:net` and `node:dgram` can. */

/** Decorates a class: a call makes an instance. Subclasses and `instanceof` see the class itself. The types want `new`. */
export function callable<C extends new (...args: never) => object>(
  Class: C,
  _context: ClassDecoratorContext<C>,
): C {
  const proxy: C = new Proxy(Class, {
    apply: (target, _self, args) => Reflect.construct(target, args) as object,
    // V8 keeps no hidden class for what a proxy is asked to make: without this each instance has one of its own, and no inline cache holds.
    construct: (target, args, asked) =>
      Reflect.construct(target, args, asked === proxy ? target : asked) as object,
  });
  return proxy;
}
