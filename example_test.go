package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

// User is what the examples cache.
type User struct {
	ID, Name string
}

// loadUser stands for a query to a database.
func loadUser(_ context.Context, id string) (User, error) {
	if id == "nobody" {
		return User{}, fmt.Errorf("user %s: %w", id, tiercache.ErrNotFound)
	}
	return User{ID: id, Name: "user " + id}, nil
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func newEngine() *tiercache.Engine {
	return must(tiercache.New(tiercache.Config{
		L1:     must(l1.New(l1.Config{})),
		L2:     tiertest.NewMemory(0), // l2.Open(ctx, "redis://localhost", l2.Config{}) in a service
		Policy: tiercache.Policy{TTL: time.Minute},
	}))
}

func Example() {
	engine := newEngine()
	defer engine.Close(context.Background())
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))

	ctx := context.Background()
	for range 3 {
		user, err := users.GetOrCompute(ctx, "42", loadUser)
		fmt.Println(user.Name, err)
	}
	fmt.Println("computes:", engine.Stats().Total.Computes)
	// Output:
	// user 42 <nil>
	// user 42 <nil>
	// user 42 <nil>
	// computes: 1
}

func ExampleNew() {
	_, err := tiercache.New(tiercache.Config{
		L1:       tiertest.NewMapLocal(1 << 20),
		L2Budget: -time.Second,
		Policy:   tiercache.Policy{TTL: -time.Minute},
	})
	fmt.Println(err)
	// Output:
	// tiercache: bad configuration:
	// Config.Policy.TTL: -1m0s is negative; every value needs a lifetime
	// Config.L2Budget: -1s is negative; to run without L2 leave Config.L2 nil
}

func ExampleCache_GetOrCompute_notFound() {
	engine := newEngine()
	defer engine.Close(context.Background())
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{AbsentTTL: time.Second}))

	for range 2 {
		_, err := users.GetOrCompute(context.Background(), "nobody", loadUser)
		fmt.Println(errors.Is(err, tiercache.ErrNotFound))
	}
	fmt.Println("computes:", engine.Stats().Total.Computes)
	// Output:
	// true
	// true
	// computes: 1
}

func ExampleCache_GetOrComputeMany() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))
	_ = users.Set(ctx, "1", User{ID: "1", Name: "one"})

	found, err := users.GetOrComputeMany(ctx, []string{"1", "2", "nobody"},
		func(_ context.Context, missing []string) (map[string]User, error) {
			fmt.Println("asked for", missing)
			return map[string]User{"2": {ID: "2", Name: "two"}}, nil
		})
	fmt.Println(len(found), found["1"].Name, found["2"].Name, err)
	// Output:
	// asked for [2 nobody]
	// 2 one two <nil>
}

func ExampleCache_Lookup() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))

	for range 2 {
		r, err := users.Lookup(ctx, "42", loadUser)
		fmt.Println(r.Value.Name, r.Source, r.Stale, err)
	}
	_, err := users.Lookup(ctx, "43", nil) // look only
	fmt.Println(errors.Is(err, tiercache.ErrMiss))
	// Output:
	// user 42 compute false <nil>
	// user 42 l1 false <nil>
	// true
}

func ExampleCache_Get() {
	engine := newEngine()
	defer engine.Close(context.Background())
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))
	_, err := users.Get(context.Background(), "42")
	fmt.Println(err)
	// Output: tiercache: miss
}

func ExampleCache_Set() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))

	if err := users.Set(ctx, "42", User{Name: "Ada"}); errors.Is(err, tiercache.ErrNotPropagated) {
		log.Print("other processes may see the older value: ", err)
	}
	user, _ := users.Get(ctx, "42")
	fmt.Println(user.Name)
	// Output: Ada
}

func ExampleCache_Delete() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))
	_ = users.Set(ctx, "42", User{Name: "Ada"})

	// The source has changed.
	_ = users.Delete(ctx, "42")
	user, _ := users.GetOrCompute(ctx, "42", loadUser)
	fmt.Println(user.Name)
	// Output: user 42
}

func ExampleCache_Expire() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{StaleFor: time.Hour}))
	_ = users.Set(ctx, "42", User{Name: "Ada"})
	_ = users.Expire(ctx, "42")

	r, err := users.Lookup(ctx, "42", func(context.Context, string) (User, error) {
		return User{}, errors.New("the database is away")
	})
	fmt.Println(r.Value.Name, r.Stale, err)
	// Output: Ada true <nil>
}

func ExampleCache_Refresh() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))
	_ = users.Set(ctx, "42", User{Name: "older"})
	user, _ := users.Refresh(ctx, "42", loadUser)
	fmt.Println(user.Name)
	// Output: user 42
}

func ExampleCache_With() {
	engine := newEngine()
	defer engine.Close(context.Background())
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))
	short := users.With(tiercache.Policy{TTL: time.Second, Jitter: -1})

	r, _ := short.Lookup(context.Background(), "42", loadUser)
	fmt.Println(r.TTL <= time.Second)
	// Output: true
}

func ExampleMemoize() {
	engine := newEngine()
	defer engine.Close(context.Background())
	sums := must(tiercache.NewCache[int](engine, "sums", tiercache.Policy{}))

	type pair struct{ a, b int }
	sum := tiercache.Memoize(sums,
		func(p pair) string { return fmt.Sprintf("%d+%d", p.a, p.b) },
		func(_ context.Context, p pair) (int, error) {
			fmt.Println("adding")
			return p.a + p.b, nil
		})
	for range 2 {
		fmt.Println(sum(context.Background(), pair{40, 2}))
	}
	// Output:
	// adding
	// 42 <nil>
	// 42 <nil>
}

func ExampleWithTTLOf() {
	engine := newEngine()
	defer engine.Close(context.Background())
	type token struct{ lives time.Duration }
	tokens := must(tiercache.NewCache(engine, "tokens", tiercache.Policy{Jitter: -1},
		tiercache.WithTTLOf(func(_ string, t token) time.Duration { return t.lives })))

	r, _ := tokens.Lookup(context.Background(), "t", func(context.Context, string) (token, error) {
		return token{lives: 5 * time.Second}, nil
	})
	fmt.Println(r.TTL.Round(time.Second))
	// Output: 5s
}

func ExampleWithRevalidate() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache(engine, "users", tiercache.Policy{StaleFor: time.Hour},
		tiercache.WithRevalidate(func(_ context.Context, _ string, old User) (User, error) {
			return old, nil // the source says: not modified
		})))
	_ = users.Set(ctx, "42", User{Name: "Ada"})
	_ = users.Expire(ctx, "42")
	r, _ := users.Lookup(ctx, "42", loadUser)
	fmt.Println(r.Value.Name, r.Stale, r.Source)
	// Output: Ada false compute
}

func ExampleWithClone() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	lists := must(tiercache.NewCache(engine, "lists", tiercache.Policy{},
		tiercache.WithClone(func(v []string) []string { return append([]string(nil), v...) })))
	_ = lists.Set(ctx, "l", []string{"a"})
	mine, _ := lists.Get(ctx, "l")
	mine[0] = "changed"
	again, _ := lists.Get(ctx, "l")
	fmt.Println(again)
	// Output: [a]
}

func ExampleWithSizeOf() {
	_ = tiercache.WithSizeOf(func(u User) int { return len(u.ID) + len(u.Name) })
	// Output:
}

func ExampleWithTagsOf() {
	engine := newEngine()
	defer engine.Close(context.Background())
	users := must(tiercache.NewCache(engine, "users", tiercache.Policy{},
		tiercache.WithTagsOf(func(_ string, u User) []string { return []string{"user:" + u.ID} })))
	r, _ := users.Lookup(context.Background(), "42", loadUser)
	fmt.Println(r.Tags)
	// Output: [user:42]
}

func ExampleWithStoreIf() {
	engine := newEngine()
	defer engine.Close(context.Background())
	ctx := context.Background()
	users := must(tiercache.NewCache(engine, "users", tiercache.Policy{},
		tiercache.WithStoreIf(func(_ string, u User) bool { return u.Name != "" })))
	_, _ = users.GetOrCompute(ctx, "42", func(context.Context, string) (User, error) { return User{}, nil })
	_, err := users.Get(ctx, "42")
	fmt.Println(err)
	// Output: tiercache: miss
}

func ExampleEngine_Health() {
	engine := newEngine()
	defer engine.Close(context.Background())
	h := engine.Health(context.Background())
	fmt.Println(h.Status, h.L1.Status, h.L2.Status)
	// Output: healthy healthy healthy
}

func ExampleObserver() {
	engine := must(tiercache.New(tiercache.Config{
		L1:     tiertest.NewMapLocal(1 << 20),
		Policy: tiercache.Policy{TTL: time.Minute},
		Observer: &tiercache.Observer{
			OnCompute: func(e tiercache.ComputeEvent) { fmt.Println("computed in", e.Space, e.Err) },
		},
	}))
	defer engine.Close(context.Background())
	users := must(tiercache.NewCache[User](engine, "users", tiercache.Policy{}))
	_, _ = users.GetOrCompute(context.Background(), "42", loadUser)
	// Output: computed in users <nil>
}

var _ tier.Local = (*l1.Cache)(nil)
