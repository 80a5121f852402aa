package l2

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tiercache/tiercache/tier"
)

// minEnvelope is the length of the shortest envelope: a header without tags and payload.
const minEnvelope = 76

// expireSource returns the script behind Expire. KEYS[1] is a value, ARGV[1] the new soft
// expiry in the 8 bytes it has in an envelope.
//
// It never moves the soft expiry back, so running it twice, or after a later one, is
// harmless; SETRANGE leaves the time to live alone. It accepts envelopes of any version,
// since the offset is the same in all: a process of the old release must be able to expire
// what the new one has stored. Bytes are compared one by one because Lua compares strings
// by the locale of the server. An error other than a wrong type must come through: a user
// without the right to GETRANGE would believe that the key had been expired.
func expireSource() string {
	return fmt.Sprintf(`
local head = redis.pcall('GETRANGE', KEYS[1], 0, %[1]d - 1)
if type(head) == 'table' then
  if string.find(head['err'], 'WRONGTYPE', 1, true) then return 0 end
  return head
end
if #head < %[1]d or string.sub(head, 1, 2) ~= 'tc' or string.byte(head, 3) == 0 then return 0 end
for i = 1, 8 do
  local new, old = string.byte(ARGV[1], i), string.byte(head, %[2]d + i)
  if new > old then return 0 end
  if new < old then
    redis.call('SETRANGE', KEYS[1], %[2]d, ARGV[1])
    return 1
  end
end
return 0`, minEnvelope, tier.SoftExpiryOffset)
}

// Expire moves the soft expiry of the envelopes under keys to at, in whole milliseconds of
// the server's clock, unless it is earlier already. Missing keys and anything that is no
// envelope are left alone and are no error. All keys are tried, and the error is like that
// of Delete. A server that is full (maxmemory with noeviction) refuses, but accepts Delete.
func (r *Remote) Expire(ctx context.Context, at time.Time, keys ...tier.Key) error {
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel, err := r.begin(ctx, "expire")
	if err != nil {
		return err
	}
	defer cancel()
	// An envelope with a time before 1970, or one that overflows as nanoseconds, is corrupt.
	ms := min(max(at.UnixMilli(), 0), math.MaxInt64/int64(time.Millisecond))
	arg := string(binary.BigEndian.AppendUint64(nil, uint64(ms)))
	places := make([]string, len(keys))
	for i, k := range keys {
		places[i] = r.names.value(k)
	}
	return joined("expire", r.runScript(ctx, "expire", r.expire, places, arg))
}

// script is a Lua script and the digest by which servers know it.
type script struct {
	source, sha string
}

func newScript(source string) script {
	return script{source: source, sha: redis.NewScript(source).Hash()}
}

// runScript runs s once for each key and returns one error per key, in order.
//
// A server that does not know the digest, because it was restarted, promoted or flushed,
// answers NOSCRIPT. The source goes out again for just those keys, and so to just those
// nodes, whoever owns the slot by then; the server keeps it for the next time.
func (r *Remote) runScript(ctx context.Context, op string, s script, keys []string, args ...any) []error {
	p := pipeline{remote: r, op: op}
	for _, key := range keys {
		p.add(scriptCmd(ctx, "evalsha", s.sha, key, args), 0)
	}
	errs := p.run(ctx)

	again := pipeline{remote: r, op: op}
	var unknown []int
	for i, err := range errs {
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			again.add(scriptCmd(ctx, "eval", s.source, keys[i], args), len(s.source))
			unknown = append(unknown, i)
		}
	}
	for n, err := range again.run(ctx) {
		errs[unknown[n]] = err
	}
	return errs
}

func scriptCmd(ctx context.Context, command, script, key string, args []any) *redis.Cmd {
	return redis.NewCmd(ctx, append([]any{command, script, 1, key}, args...)...)
}
