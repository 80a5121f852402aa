package tiercache

import "context"

// Memoize returns f behind a cache: calls with arguments of the same key share values and
// flights. key must tell apart all arguments that f tells apart. The returned function is
// safe for concurrent use and returns what GetOrCompute returns.
func Memoize[A, V any](c *Cache[V], key func(A) string, f func(context.Context, A) (V, error)) func(context.Context, A) (V, error) {
	return func(ctx context.Context, arg A) (V, error) {
		return c.GetOrCompute(ctx, key(arg), func(ctx context.Context, _ string) (V, error) {
			return f(ctx, arg)
		})
	}
}
