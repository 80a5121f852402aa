package tiertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// wrongRemote is a Memory with some methods replaced. Batches go through the replacements.
type wrongRemote struct {
	*Memory
	place   func(k tier.Key) tier.Key // where Get, Set and Delete look for k
	get     func(ctx context.Context, k tier.Key) ([]byte, error)
	set     func(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error
	del     func(ctx context.Context, keys ...tier.Key) error
	getMany func(ctx context.Context, keys []tier.Key) []tier.Reply
	expire  func(ctx context.Context, at time.Time, keys ...tier.Key) error
	ping    func(ctx context.Context) error
}

func (r *wrongRemote) at(k tier.Key) tier.Key {
	return or(r.place, func(k tier.Key) tier.Key { return k })(k)
}

func (r *wrongRemote) Get(ctx context.Context, k tier.Key) ([]byte, error) {
	return or(r.get, r.Memory.Get)(ctx, r.at(k))
}

func (r *wrongRemote) Set(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
	return or(r.set, r.Memory.Set)(ctx, r.at(k), frame, ttl)
}

func (r *wrongRemote) Delete(ctx context.Context, keys ...tier.Key) error {
	places := make([]tier.Key, 0, len(keys))
	for _, k := range keys {
		places = append(places, r.at(k))
	}
	return or(r.del, r.Memory.Delete)(ctx, places...)
}

func (r *wrongRemote) GetMany(ctx context.Context, keys []tier.Key) []tier.Reply {
	return or(r.getMany, func(ctx context.Context, keys []tier.Key) []tier.Reply { return getEach(ctx, r, keys) })(ctx, keys)
}

func (r *wrongRemote) SetMany(ctx context.Context, items []tier.Item) []error {
	return setEach(ctx, r, items)
}

func (r *wrongRemote) Expire(ctx context.Context, at time.Time, keys ...tier.Key) error {
	return or(r.expire, r.Memory.Expire)(ctx, at, keys...)
}

func (r *wrongRemote) Ping(ctx context.Context) error { return or(r.ping, r.Memory.Ping)(ctx) }

// altered returns breaks for a tier whose keys lose what alter takes from them.
func altered(alter func(k tier.Key) tier.Key) func(*wrongRemote) {
	return func(r *wrongRemote) { r.place = alter }
}

// putting returns breaks for a tier that stores without its checks what wrong reports true for.
func putting(wrong func(frame []byte, ttl time.Duration) bool) func(*wrongRemote) {
	return func(r *wrongRemote) {
		r.set = func(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
			if !wrong(frame, ttl) {
				return r.Memory.Set(ctx, k, frame, ttl)
			}
			r.Put(k, frame, ttl)
			return nil
		}
	}
}

var brokenRemotes = []struct {
	name   string
	breaks func(r *wrongRemote)
	found  []string
}{
	{"Set keeps what is there", func(r *wrongRemote) {
		r.set = func(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
			if _, ok := r.Raw(k); ok {
				return nil
			}
			return r.Memory.Set(ctx, k, frame, ttl)
		}
	}, []string{"StoresAndDeletes", "Expires", "Model", "BatchInOrder"}},

	{"Set keeps the frame", func(r *wrongRemote) {
		var frames sync.Map
		r.set = func(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
			frames.Store(k, frame)
			return r.Memory.Set(ctx, k, frame, ttl)
		}
		r.get = func(_ context.Context, k tier.Key) ([]byte, error) {
			frame, _ := frames.Load(k)
			return bytes.Clone(frame.([]byte)), nil
		}
	}, []string{"SetDoesNotKeep", "BatchKeepsApart"}},

	{"Get keeps what it returns", func(r *wrongRemote) {
		var frames sync.Map
		r.get = func(ctx context.Context, k tier.Key) ([]byte, error) {
			frame, err := r.Memory.Get(ctx, k)
			if err != nil {
				return nil, err
			}
			kept, _ := frames.LoadOrStore(k, frame)
			return kept.([]byte), nil
		}
	}, []string{"GetHandsOver", "BatchKeepsApart"}},

	{"nothing expires", func(r *wrongRemote) {
		r.set = func(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
			err := r.Memory.Set(ctx, k, frame, ttl)
			if err == nil {
				r.Put(k, frame, 0)
			}
			return err
		}
	}, []string{"Expires", "ExpireKeepsTTL"}},

	{"Delete takes the first only", func(r *wrongRemote) {
		r.del = func(ctx context.Context, keys ...tier.Key) error {
			return r.Memory.Delete(ctx, keys[:min(len(keys), 1)]...)
		}
	}, []string{"DeletesMany", "BatchLarge", "Model"}},

	{"keys joined", altered(func(k tier.Key) tier.Key { return tier.Key{ID: k.Space + k.ID} }), []string{"KeysAreInjective"}},
	{"keys cut", altered(func(k tier.Key) tier.Key { k.ID = k.ID[:min(len(k.ID), 512)]; return k }), []string{"KeysAreInjective"}},
	{"keys end at NUL", altered(func(k tier.Key) tier.Key { k.ID, _, _ = strings.Cut(k.ID, "\x00"); return k }), []string{"KeysAreInjective"}},
	{"keys made valid", altered(func(k tier.Key) tier.Key { k.ID = strings.ToValidUTF8(k.ID, "?"); return k }), []string{"KeysAreInjective"}},
	{"keys escape braces only", altered(func(k tier.Key) tier.Key { k.ID = strings.ReplaceAll(k.ID, "{", "%7B"); return k }), []string{"KeysAreInjective"}},
	{"keys lose case", altered(func(k tier.Key) tier.Key { k.ID = strings.ToLower(k.ID); return k }), []string{"KeysAreInjective"}},
	{"keys are hashes", altered(func(k tier.Key) tier.Key { return tier.Key{ID: string(binary.BigEndian.AppendUint64(nil, k.Hash))} }), []string{"KeysAreThoseOfAllProcesses"}},

	{"text only", func(r *wrongRemote) {
		r.set = func(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
			return r.Memory.Set(ctx, k, bytes.ToValidUTF8(frame, []byte("?")), ttl)
		}
	}, []string{"KeepsBytes", "ExpireMovesSoftExpiry"}},

	{"torn frames", func(r *wrongRemote) {
		r.get = func(ctx context.Context, k tier.Key) ([]byte, error) {
			frame, err := r.Memory.Get(ctx, k)
			return frame[:len(frame)/2], err
		}
	}, []string{"Concurrent"}},

	{"stored for ever", putting(func(_ []byte, ttl time.Duration) bool { return ttl <= 0 }),
		[]string{"RefusesWhatNeverExpires", "BatchErrorsPerItem"}},
	{"empty frames", putting(func(frame []byte, _ time.Duration) bool { return len(frame) == 0 }),
		[]string{"RefusesEmptyFrames", "BatchErrorsPerItem"}},

	{"a long ttl overflows", func(r *wrongRemote) {
		r.set = func(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
			return r.Memory.Set(ctx, k, frame, ttl+time.Second)
		}
	}, []string{"LongTTL"}},

	{"no look at the context", func(r *wrongRemote) {
		r.get = func(_ context.Context, k tier.Key) ([]byte, error) {
			return r.Memory.Get(context.Background(), k)
		}
	}, []string{"ContextEnded"}},

	{"replies without repeats", func(r *wrongRemote) {
		r.getMany = func(ctx context.Context, keys []tier.Key) []tier.Reply {
			return getEach(ctx, r, slices.Compact(slices.Clone(keys)))
		}
	}, []string{"BatchInOrder"}},

	{"replies out of order", func(r *wrongRemote) {
		r.getMany = func(ctx context.Context, keys []tier.Key) []tier.Reply {
			replies := getEach(ctx, r, keys)
			slices.Reverse(replies)
			return replies
		}
	}, []string{"BatchInOrder", "BatchLarge"}},

	{"batches cut", func(r *wrongRemote) {
		r.getMany = func(ctx context.Context, keys []tier.Key) []tier.Reply {
			return getEach(ctx, r, keys[:min(len(keys), 512)])
		}
	}, []string{"BatchLarge"}},

	{"batches need a key", func(r *wrongRemote) {
		r.getMany = func(ctx context.Context, keys []tier.Key) []tier.Reply {
			return append(getEach(ctx, r, keys[:1]), getEach(ctx, r, keys[1:])...)
		}
	}, []string{"BatchEmpty"}},

	{"Expire in seconds", func(r *wrongRemote) {
		r.expire = func(ctx context.Context, at time.Time, keys ...tier.Key) error {
			return r.Memory.Expire(ctx, time.UnixMilli(at.Unix()), keys...)
		}
	}, []string{"ExpireMovesSoftExpiry"}},

	{"Expire makes fresher", func(r *wrongRemote) {
		r.expire = func(_ context.Context, at time.Time, keys ...tier.Key) error {
			for _, k := range keys {
				if frame, ok := r.Raw(k); ok && looksLikeEnvelope(frame) {
					binary.BigEndian.PutUint64(frame[tier.SoftExpiryOffset:], uint64(max(0, at.UnixMilli())))
					r.Put(k, frame, time.Hour)
				}
			}
			return nil
		}
	}, []string{"ExpireMovesSoftExpiry"}},

	{"Expire knows its version only", func(r *wrongRemote) {
		r.expire = func(ctx context.Context, at time.Time, keys ...tier.Key) error {
			return r.Memory.Expire(ctx, at, slices.DeleteFunc(slices.Clone(keys), func(k tier.Key) bool {
				frame, _ := r.Raw(k)
				return len(frame) > 2 && frame[2] != tier.EnvelopeVersion
			})...)
		}
	}, []string{"ExpireMovesNewerVersions"}},

	{"Expire rewrites the value", func(r *wrongRemote) {
		r.expire = func(ctx context.Context, at time.Time, keys ...tier.Key) error {
			for _, k := range keys {
				if frame, ok := r.Raw(k); ok {
					r.Put(k, frame, time.Hour)
				}
			}
			return r.Memory.Expire(ctx, at, keys...)
		}
	}, []string{"ExpireKeepsTTL"}},

	{"Expire makes missing keys", func(r *wrongRemote) {
		r.expire = func(ctx context.Context, at time.Time, keys ...tier.Key) error {
			for _, k := range keys {
				if _, ok := r.Raw(k); !ok {
					r.Put(k, make([]byte, 48), time.Hour)
				}
			}
			return r.Memory.Expire(ctx, at, keys...)
		}
	}, []string{"ExpireMovesSoftExpiry"}},

	{"Expire does not look", func(r *wrongRemote) {
		r.expire = func(_ context.Context, at time.Time, keys ...tier.Key) error {
			for _, k := range keys {
				if frame, ok := r.Raw(k); ok {
					frame = append(frame, make([]byte, max(0, 48-len(frame)))...)
					binary.BigEndian.PutUint64(frame[tier.SoftExpiryOffset:], uint64(at.UnixMilli()))
					r.Put(k, frame, time.Hour)
				}
			}
			return nil
		}
	}, []string{"ExpireLeavesOthersAlone"}},

	{"no answer", func(r *wrongRemote) {
		r.ping = func(context.Context) error { return errors.New("no answer") }
	}, []string{"Ping"}},
}

func TestRemoteChecksFindMistakes(t *testing.T) {
	checks := map[string]check[openRemote]{}
	unused := map[string]bool{}
	for _, c := range remoteChecks() {
		checks[c.name] = c
		unused[c.name] = true
	}
	for _, broken := range brokenRemotes {
		for _, name := range broken.found {
			delete(unused, name)
			t.Run(broken.name+"/"+name, func(t *testing.T) {
				require.Contains(t, checks, name)
				assert.NotEmpty(t, failuresOf(t, checks[name], func() tier.Remote {
					r := &wrongRemote{Memory: NewMemory(0)}
					broken.breaks(r)
					return r
				}))
			})
		}
	}
	assert.Empty(t, unused, "checks that no broken tier has made fail")
}

// TestRemoteChecksPassInBubble makes sure that what fails above fails for its mistake, and
// not because checks do not work in a bubble.
func TestRemoteChecksPassInBubble(t *testing.T) {
	for _, c := range remoteChecks() {
		t.Run(c.name, func(t *testing.T) {
			assert.Empty(t, failuresOf(t, c, func() tier.Remote { return &wrongRemote{Memory: NewMemory(0)} }))
		})
	}
}
