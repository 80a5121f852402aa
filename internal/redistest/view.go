package redistest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// view is what one node knows of the cluster.
type view []member

// member is one line of CLUSTER NODES.
type member struct {
	id, addr string
	flags    []string
	epoch    int
	slots    []slotRange
}

type slotRange struct{ first, last int } // both included

func (m member) has(flag string) bool { return slices.Contains(m.flags, flag) }

func (m member) is(s *Server) bool { return m.addr == s.Addr() }

func (m member) serves(slot int) bool {
	return slices.ContainsFunc(m.slots, func(r slotRange) bool { return r.first <= slot && slot <= r.last })
}

func (v view) any(flag string) bool {
	return slices.ContainsFunc(v, func(m member) bool { return m.has(flag) })
}

// self returns the node that has this view.
func (v view) self() (member, bool) {
	i := slices.IndexFunc(v, func(m member) bool { return m.has("myself") })
	if i < 0 {
		return member{}, false
	}
	return v[i], true
}

// layout tells who is a master and serves what, in a form to compare.
func (v view) layout() string {
	var lines []string
	for _, m := range v {
		if m.has("master") && !m.has("fail") {
			lines = append(lines, fmt.Sprint(m.addr, m.slots))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func clusterView(ctx context.Context, client *redis.Client) (view, error) {
	text, err := client.ClusterNodes(ctx).Result()
	if err != nil {
		return nil, err
	}
	return parseView(text)
}

// parseView reads lines of
//
//	id ip:port@busport,host flags master ping pong epoch link slot first-last ...
func parseView(text string) (view, error) {
	var v view
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 8 {
			return nil, fmt.Errorf("redistest: CLUSTER NODES: short line %q", line)
		}
		addr, _, _ := strings.Cut(f[1], "@")
		epoch, err := strconv.Atoi(f[6])
		if err != nil {
			return nil, fmt.Errorf("redistest: CLUSTER NODES: epoch in %q: %w", line, err)
		}
		m := member{id: f[0], addr: addr, flags: strings.Split(f[2], ","), epoch: epoch}
		for _, s := range f[8:] {
			if strings.HasPrefix(s, "[") {
				continue // a slot on the move, which its range still covers
			}
			r, err := parseRange(s)
			if err != nil {
				return nil, fmt.Errorf("redistest: CLUSTER NODES: slots in %q: %w", line, err)
			}
			m.slots = append(m.slots, r)
		}
		v = append(v, m)
	}
	return v, nil
}

func parseRange(s string) (slotRange, error) {
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		b = a
	}
	first, err := strconv.Atoi(a)
	if err != nil {
		return slotRange{}, err
	}
	last, err := strconv.Atoi(b)
	return slotRange{first, last}, err
}

// keySlot returns the slot of a key: CRC16 (XMODEM) of the key, or of what the
// first braces in it enclose.
func keySlot(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % clusterSlots
}
