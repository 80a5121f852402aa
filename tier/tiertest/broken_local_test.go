package tiertest

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// wrongLocal is a MapLocal with some methods replaced.
type wrongLocal struct {
	*MapLocal
	get   func(k tier.Key) (*tier.Entry, bool)
	set   func(e *tier.Entry)
	del   func(k tier.Key)
	close func() error
	usage func() tier.Usage
}

func (l *wrongLocal) Get(k tier.Key) (*tier.Entry, bool) { return or(l.get, l.MapLocal.Get)(k) }
func (l *wrongLocal) Set(e *tier.Entry)                  { or(l.set, l.MapLocal.Set)(e) }
func (l *wrongLocal) Delete(k tier.Key)                  { or(l.del, l.MapLocal.Delete)(k) }
func (l *wrongLocal) Close() error                       { return or(l.close, l.MapLocal.Close)() }
func (l *wrongLocal) Usage() tier.Usage                  { return or(l.usage, l.MapLocal.Usage)() }

// or returns f, or orElse if f is nil.
func or[F any](f, orElse F) F {
	if reflect.ValueOf(f).IsNil() {
		return orElse
	}
	return f
}

// brokenLocals are the mistakes the suite is there for, each with the checks that must
// find it.
var brokenLocals = []struct {
	name   string
	breaks func(l *wrongLocal, maxBytes int64)
	found  []string
}{
	{"Set keeps what is there", func(l *wrongLocal, _ int64) {
		l.set = func(e *tier.Entry) {
			if _, ok := l.MapLocal.Get(e.Key); !ok {
				l.MapLocal.Set(e)
			}
		}
	}, []string{"LastSetWins", "NeverGoesBack", "ComparesKeysOfOneHash", "Model"}},

	{"Delete comes undone later", func(l *wrongLocal, _ int64) {
		var late atomic.Pointer[tier.Entry]
		l.del = func(k tier.Key) {
			e, _ := l.MapLocal.Get(k)
			l.MapLocal.Delete(k)
			if e := late.Swap(e); e != nil {
				l.MapLocal.Set(e)
			}
		}
	}, []string{"DeleteIsFinal", "Model"}},

	{"Set ignored after Delete", func(l *wrongLocal, _ int64) {
		var deleted sync.Map
		l.del = func(k tier.Key) { deleted.Store(k, true); l.MapLocal.Delete(k) }
		l.set = func(e *tier.Entry) {
			if _, ok := deleted.LoadAndDelete(e.Key); !ok {
				l.MapLocal.Set(e)
			}
		}
	}, []string{"SetAfterDelete"}},

	{"some Sets are dropped", func(l *wrongLocal, _ int64) {
		var n atomic.Int64
		l.set = func(e *tier.Entry) {
			if n.Add(1)%10 != 0 {
				l.MapLocal.Set(e)
			}
		}
	}, []string{"OthersReadYourWrite"}},

	{"keys compared by hash", func(l *wrongLocal, _ int64) {
		var byHash sync.Map
		l.set = func(e *tier.Entry) { byHash.Store(e.Key.Hash, e) }
		l.get = func(k tier.Key) (*tier.Entry, bool) { return load(&byHash, k.Hash) }
		l.del = func(k tier.Key) { byHash.Delete(k.Hash) }
	}, []string{"ComparesKeysOfOneHash"}},

	{"keys compared by id", func(l *wrongLocal, _ int64) {
		var byID sync.Map
		l.set = func(e *tier.Entry) { byID.Store(e.Key.ID, e) }
		l.get = func(k tier.Key) (*tier.Entry, bool) { return load(&byID, k.ID) }
		l.del = func(k tier.Key) { byID.Delete(k.ID) }
	}, []string{"ComparesWholeKeys"}},

	{"finds nothing", func(l *wrongLocal, _ int64) {
		l.get = func(tier.Key) (*tier.Entry, bool) { return nil, false }
	}, []string{"StoresAndDeletes", "StaysInBudget"}},

	{"loses tags", func(l *wrongLocal, _ int64) {
		l.set = func(e *tier.Entry) {
			bare := *e
			bare.Tags = nil
			l.MapLocal.Set(&bare)
		}
	}, []string{"KeepsAllOfAnEntry"}},

	{"no budget", func(l *wrongLocal, _ int64) {
		l.MapLocal = NewMapLocal(0)
	}, []string{"StaysInBudget", "RefusesOversized"}},

	{"growth not accounted", func(l *wrongLocal, _ int64) {
		var held sync.Map
		l.set = func(e *tier.Entry) {
			held.Store(e.Key, e)
			if _, ok := l.MapLocal.Get(e.Key); ok {
				small := *e
				small.Size = 1
				e = &small
			}
			l.MapLocal.Set(e)
		}
		l.get = func(k tier.Key) (*tier.Entry, bool) {
			if _, ok := l.MapLocal.Get(k); !ok {
				return nil, false
			}
			return load(&held, k)
		}
	}, []string{"StaysInBudgetWhenEntriesGrow"}},

	{"refusal keeps the earlier entry", func(l *wrongLocal, maxBytes int64) {
		l.set = func(e *tier.Entry) {
			if e.Size <= maxBytes {
				l.MapLocal.Set(e)
			}
		}
	}, []string{"RefusesOversized", "Model"}},

	{"wrong books", func(l *wrongLocal, _ int64) {
		l.usage = func() tier.Usage {
			u := l.MapLocal.Usage()
			u.Entries++
			return u
		}
	}, []string{"AccountsExactly"}},

	{"goes on after Close", func(l *wrongLocal, _ int64) {
		l.close = func() error { return nil }
	}, []string{"Closed", "CloseUnderLoad"}},

	{"panics at the second Close", func(l *wrongLocal, _ int64) {
		done := make(chan struct{})
		l.close = func() error { close(done); return l.MapLocal.Close() }
	}, []string{"Closed"}},

	{"leaves a goroutine", func(*wrongLocal, int64) {
		go time.Sleep(time.Hour)
	}, []string{"CloseEndsGoroutines"}},

	{"hits allocate", func(l *wrongLocal, _ int64) {
		var last atomic.Pointer[tier.Key]
		l.get = func(k tier.Key) (*tier.Entry, bool) { last.Store(&k); return l.MapLocal.Get(k) }
	}, []string{"HitDoesNotAllocate"}},
}

func load(m *sync.Map, key any) (*tier.Entry, bool) {
	v, ok := m.Load(key)
	e, _ := v.(*tier.Entry)
	return e, ok
}

func TestLocalChecksFindMistakes(t *testing.T) {
	checks := map[string]check[openLocal]{}
	for _, c := range localChecks() {
		checks[c.name] = c
	}
	unused := map[string]bool{}
	for name := range checks {
		unused[name] = true
	}
	for _, broken := range brokenLocals {
		for _, name := range broken.found {
			delete(unused, name)
			t.Run(broken.name+"/"+name, func(t *testing.T) {
				require.Contains(t, checks, name)
				if name == "HitDoesNotAllocate" && raceEnabled {
					return // looser under the race detector
				}
				failures := failuresOf(t, checks[name], func(maxBytes int64) tier.Local {
					l := &wrongLocal{MapLocal: NewMapLocal(maxBytes)}
					broken.breaks(l, maxBytes)
					return l
				})
				assert.NotEmpty(t, failures)
			})
		}
	}
	assert.Empty(t, unused, "checks that no broken tier has made fail")
}

// TestLocalChecksPassInBubble makes sure that what fails above fails for its mistake, and
// not because checks do not work in a bubble.
func TestLocalChecksPassInBubble(t *testing.T) {
	for _, c := range localChecks() {
		t.Run(c.name, func(t *testing.T) {
			assert.Empty(t, failuresOf(t, c, func(maxBytes int64) tier.Local {
				return &wrongLocal{MapLocal: NewMapLocal(maxBytes)}
			}))
		})
	}
}
