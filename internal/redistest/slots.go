package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// slotsAtOnce is how many slots move together. Nodes write their state to disk
// for every change of a slot, but only once for changes that arrive together,
// so one by one a master of 5000 slots takes half a minute on a busy machine.
const slotsAtOnce = 16

// MoveSlots moves the n lowest slots of from, with their keys, to another
// master while clients go on. Slots move in small groups, so that clients meet
// ASK while a slot is on its way and MOVED afterwards. When it returns, from
// and to know; the other nodes hear of it by gossip (see WaitReady).
func (c *Cluster) MoveSlots(from, to *Server, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*startTimeout)
	defer cancel()
	what := fmt.Sprintf("move %d slots from %s to %s", n, from.Addr(), to.Addr())
	return report(c.fail, what, moveSlots(ctx, from, to, n))
}

func moveSlots(ctx context.Context, from, to *Server, n int) error {
	src, dst := from.NewClient(), to.NewClient()
	defer src.Close()
	defer dst.Close()

	view, err := clusterView(ctx, src)
	if err != nil {
		return err
	}
	srcSelf, ok := view.self()
	if !ok {
		return errors.New("source does not know itself")
	}
	dstID, err := dst.ClusterMyID(ctx).Result()
	if err != nil {
		return err
	}
	slots := srcSelf.firstSlots(n)
	if len(slots) < n {
		return fmt.Errorf("source serves %d slots only", len(slots))
	}
	mv := mover{src: src, dst: dst, srcID: srcSelf.id, dstID: dstID, to: to}
	for group := range slices.Chunk(slots, slotsAtOnce) {
		if err := mv.move(ctx, group); err != nil {
			return fmt.Errorf("slots %v: %w", group, err)
		}
	}
	return nil
}

// firstSlots returns the n lowest slots of m, or all when there are fewer.
func (m member) firstSlots(n int) []int {
	var slots []int
	for _, r := range m.slots {
		for slot := r.first; slot <= r.last && len(slots) < n; slot++ {
			slots = append(slots, slot)
		}
	}
	return slots
}

type mover struct {
	src, dst     *redis.Client
	srcID, dstID string
	to           *Server
}

// move follows the steps of the Redis Cluster specification. Their order
// matters: the target must expect a slot before the source redirects to it,
// and own it before the source lets go, or the slot has no owner for a while.
func (mv mover) move(ctx context.Context, slots []int) error {
	if err := setSlots(ctx, mv.dst, slots, "importing", mv.srcID); err != nil {
		return err
	}
	if err := setSlots(ctx, mv.src, slots, "migrating", mv.dstID); err != nil {
		return err
	}
	for _, slot := range slots {
		if err := mv.moveKeys(ctx, slot); err != nil {
			return err
		}
	}
	if err := setSlots(ctx, mv.dst, slots, "node", mv.dstID); err != nil {
		return err
	}
	return setSlots(ctx, mv.src, slots, "node", mv.dstID)
}

func (mv mover) moveKeys(ctx context.Context, slot int) error {
	for {
		keys, err := mv.src.ClusterGetKeysInSlot(ctx, slot, 100).Result()
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := mv.migrate(ctx, keys); err != nil {
			return err
		}
	}
}

func (mv mover) migrate(ctx context.Context, keys []string) error {
	args := []any{"migrate", "127.0.0.1", mv.to.port, "", 0, 5000}
	if admin := mv.to.spec.access.admin(); admin.Name != "" {
		args = append(args, "auth2", admin.Name, admin.Password)
	}
	args = append(args, "keys")
	for _, k := range keys {
		args = append(args, k)
	}
	return mv.src.Do(ctx, args...).Err() // NOKEY, all expired meanwhile, is no error
}

func setSlots(ctx context.Context, client *redis.Client, slots []int, state, id string) error {
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, slot := range slots {
			p.Do(ctx, "cluster", "setslot", slot, state, id)
		}
		return nil
	})
	return err
}
