package l2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tiercache/tiercache/tier"
)

// A batch goes out in chunks: the client writes a whole pipeline before it reads the first
// answer, and the server works it off without serving anybody else in between.
const (
	chunkCommands = 500
	chunkBytes    = 1 << 20 // of frames
)

// GetMany returns one Reply per key, in order, each as Get would. Keys may repeat. It costs
// one round trip for each 500 keys, to all nodes at once, and the call time-out holds for
// all of them together.
func (r *Remote) GetMany(ctx context.Context, keys []tier.Key) []tier.Reply {
	replies := make([]tier.Reply, len(keys))
	ctx, cancel, err := r.begin(ctx, "get")
	if err != nil {
		for i := range replies {
			replies[i].Err = err
		}
		return replies
	}
	defer cancel()
	cmds := make([]*redis.StringCmd, len(keys))
	p := pipeline{remote: r, op: "get"}
	for i, k := range keys {
		cmds[i] = r.getCmd(ctx, k)
		p.add(cmds[i], 0)
	}
	for i, err := range p.run(ctx) {
		if err == nil {
			replies[i].Frame, err = r.frame(cmds[i])
		}
		replies[i].Err = err
	}
	return replies
}

// SetMany stores each item as Set would and returns one error per item, in order; nil for
// those that were stored. Of items with the same key the last one wins. It costs one round
// trip for each 500 items or 1 MiB, and the call time-out holds for all of them together.
func (r *Remote) SetMany(ctx context.Context, items []tier.Item) []error {
	errs := make([]error, len(items))
	ctx, cancel, err := r.begin(ctx, "set")
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer cancel()
	p := pipeline{remote: r, op: "set"}
	sent := make([]int, 0, len(items)) // indices of the items that became commands
	for i, item := range items {
		cmd, err := r.setCmd(ctx, item.Key, item.Frame, item.TTL)
		if err != nil {
			errs[i] = err
			continue
		}
		p.add(cmd, len(item.Frame))
		sent = append(sent, i)
	}
	for n, err := range p.run(ctx) {
		errs[sent[n]] = err
	}
	return errs
}

// Delete removes keys; missing ones are no error. All keys are tried. The error names how
// many failed and joins the different causes, not one for each key.
func (r *Remote) Delete(ctx context.Context, keys ...tier.Key) error {
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel, err := r.begin(ctx, "delete")
	if err != nil {
		return err
	}
	defer cancel()
	if len(keys) == 1 {
		return r.process(ctx, "delete", r.deleteCmd(ctx, keys[0]))
	}
	p := pipeline{remote: r, op: "delete"}
	for _, k := range keys {
		p.add(r.deleteCmd(ctx, k), 0)
	}
	return joined("delete", p.run(ctx))
}

// deleteCmd names one key: a command with several fails in a Cluster as soon as they live
// in different slots.
func (r *Remote) deleteCmd(ctx context.Context, k tier.Key) *redis.IntCmd {
	return redis.NewIntCmd(ctx, "unlink", r.names.value(k))
}

// joined returns one error for the errs of the keys of one operation, or nil. It names
// each cause once, and of many only some.
func joined(op string, errs []error) error {
	const most = 8
	var texts []string
	var causes []error
	failed := 0
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		text := strings.TrimPrefix(err.Error(), "l2: "+op+": ")
		if len(texts) < most && !slices.Contains(texts, text) {
			texts = append(texts, text)
			causes = append(causes, err)
		}
	}
	if failed == 0 {
		return nil
	}
	text := fmt.Sprintf("%d of %d keys failed: %s", failed, len(errs), strings.Join(texts, "; "))
	return &callError{op: op, text: text, causes: causes}
}

// pipeline collects commands of one operation and sends them in chunks.
type pipeline struct {
	remote *Remote
	op     string
	cmds   []redis.Cmder
	chunks []int // where chunks end; the last one ends with cmds
	bytes  int   // in the chunk that is being filled
}

// add appends a command that carries size bytes of payload.
func (p *pipeline) add(cmd redis.Cmder, size int) {
	start := 0
	if n := len(p.chunks); n > 0 {
		start = p.chunks[n-1]
	}
	if n := len(p.cmds) - start; n == chunkCommands || (n > 0 && p.bytes+size > chunkBytes) {
		p.chunks = append(p.chunks, len(p.cmds))
		p.bytes = 0
	}
	p.cmds = append(p.cmds, cmd)
	p.bytes += size
}

// run sends the commands and returns one error for each, in order. Commands with an error
// must not be looked at. A chunk that fails does not keep the next ones from being tried,
// but after the deadline nothing is sent any more.
func (p *pipeline) run(ctx context.Context) []error {
	errs := make([]error, len(p.cmds))
	start := 0
	for _, end := range append(p.chunks, len(p.cmds)) {
		if start < end {
			p.runChunk(ctx, p.cmds[start:end], errs[start:end])
		}
		start = end
	}
	return errs
}

func (p *pipeline) runChunk(ctx context.Context, cmds []redis.Cmder, errs []error) {
	left, err := false, ctx.Err()
	if err == nil {
		left, err = p.remote.send(ctx, func(ctx context.Context) error {
			pipe := p.remote.client.Pipeline()
			for _, cmd := range cmds {
				_ = pipe.Process(ctx, cmd) // only queues
			}
			_, err := pipe.Exec(ctx)
			return err
		})
	}
	if err == nil {
		return
	}
	// Exec returns the first error only: each command has its own. If none has, the batch
	// as a whole was refused, or is still running.
	own := false
	for i, cmd := range cmds {
		if !left && cmd.Err() != nil {
			errs[i] = p.remote.fail(ctx, p.op, cmd.Err())
			own = true
		}
	}
	if !own {
		err = p.remote.fail(ctx, p.op, err)
		for i := range errs {
			errs[i] = err
		}
	}
}
