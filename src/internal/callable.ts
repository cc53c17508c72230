/** Classes that can be called without `new`, as those of `node:net` and `node:dgram` can. */

type Class<A extends unknown[], T> = new (...args: A) => T;

/** A class, and the function that Node has in its place. */
export type Callable<C extends Class<never, object>> = C &
  ((...args: ConstructorParameters<C>) => InstanceType<C>);

/** Gives `Class` with a call that makes an instance; subclasses and `instanceof` see the class itself. */
export function callable<C extends Class<never, object>>(Class: C): Callable<C> {
  return new Proxy(Class, {
    apply: (target, _self, args) => Reflect.construct(target, args),
  }) as Callable<C>;
}
