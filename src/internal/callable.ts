/** Classes that can be called without `new`, as those of `node:net` and `node:dgram` can. */

/** Decorates a class: a call makes an instance. Subclasses and `instanceof` see the class itself. The types want `new`. */
export function callable<C extends new (...args: never) => object>(
  Class: C,
  _context: ClassDecoratorContext<C>,
): C {
  return new Proxy(Class, {
    apply: (target, _self, args) => Reflect.construct(target, args) as object,
  });
}
