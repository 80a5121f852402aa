package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	clusterMasters = 3
	clusterSlots   = 16384
)

// clusterNodeTimeout is after how long a silent node is suspected. Failover
// takes about twice as long. Much less, and a loaded machine fails over by
// itself.
const clusterNodeTimeout = 1500 * time.Millisecond

// Cluster is a Redis Cluster of three masters with one replica each. Methods
// are safe for concurrent use.
type Cluster struct {
	nodes []*Server // the first three began as masters; read-only
	fail  func(error)
}

// LaunchCluster starts a cluster and returns when all nodes agree on it, all
// slots are served and all replicas are in sync. That takes two seconds and a
// bit, most of which new masters spend refusing writes by design. ctx bounds
// the start only.
func LaunchCluster(ctx context.Context, o Options) (*Cluster, error) {
	a, err := prepare(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := withStartTimeout(ctx)
	defer cancel()

	sp := spec{opts: o, access: a, cluster: true, lines: []string{
		"cluster-enabled yes",
		"cluster-config-file nodes.conf",
		fmt.Sprintf("cluster-node-timeout %d", clusterNodeTimeout.Milliseconds()),
		"cluster-announce-ip 127.0.0.1",
		// A master that MoveSlots has emptied stays one, so that slots can
		// move back.
		"cluster-allow-replica-migration no",
	}}
	if o.TLS {
		sp.lines = append(sp.lines, "tls-cluster yes")
	}
	nodes, err := launchAll(ctx, slices.Repeat([]spec{sp}, 2*clusterMasters))
	if err != nil {
		return nil, err
	}
	c := &Cluster{nodes: nodes}
	if err := c.form(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("redistest: form a cluster: %w", err), c.Close())
	}
	return c, nil
}

// form makes one cluster of nodes that do not know each other yet.
func (c *Cluster) form(ctx context.Context) error {
	clients := make([]*redis.Client, len(c.nodes))
	for i, s := range c.nodes {
		clients[i] = s.NewClient()
		defer clients[i].Close()
	}
	for i, client := range clients {
		// Distinct epochs spare the masters a conflict to settle first. Only
		// nodes that have met nobody take one.
		if err := client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
		if i < clusterMasters {
			first, last := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters-1
			if err := client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
				return err
			}
		}
	}
	if err := poll(ctx, 10*time.Millisecond, c.meet); err != nil {
		return err
	}
	for i, replica := range clients[clusterMasters:] {
		id, err := clients[i].ClusterMyID(ctx).Result()
		if err != nil {
			return err
		}
		if err := replica.ClusterReplicate(ctx, id).Err(); err != nil {
			return err
		}
	}
	return poll(ctx, 20*time.Millisecond, c.ready)
}

// meet introduces every node to those it does not know: gossip would get there
// too, but slowly. It is repeated because nodes forget whom they met when the
// handshake takes longer than the node timeout, as on a loaded machine it may.
func (c *Cluster) meet(ctx context.Context) error {
	return each(ctx, c.nodes, func(ctx context.Context, s *Server, client *redis.Client) error {
		view, err := clusterView(ctx, client)
		if err != nil {
			return err
		}
		for _, other := range c.nodes {
			// A handshake that is under way is listed already.
			if slices.ContainsFunc(view, func(m member) bool { return m.is(other) }) || other == s {
				continue
			}
			if err := client.Do(ctx, "cluster", "meet", "127.0.0.1", other.port).Err(); err != nil {
				return err
			}
		}
		if len(view) != len(c.nodes) || view.any("handshake") {
			return fmt.Errorf("%s has met %d nodes", s.Addr(), len(view))
		}
		return nil
	})
}

// WaitReady waits until the cluster has come to rest: the nodes that run agree
// on who serves what, all slots are served and all running replicas are in
// sync. Nodes that were killed or stopped must have been noticed. Without a
// deadline in ctx it gives up after 30 seconds.
func (c *Cluster) WaitReady(ctx context.Context) error {
	ctx, cancel := withStartTimeout(ctx)
	defer cancel()
	return report(c.fail, "wait for the cluster", poll(ctx, 20*time.Millisecond, c.ready))
}

func (c *Cluster) ready(ctx context.Context) error {
	up := responsive(c.nodes)
	layouts := make([]string, len(up))
	err := each(ctx, up, func(ctx context.Context, s *Server, client *redis.Client) error {
		info, err := client.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		if state, ok := field(info, "cluster_state"), field(info, "cluster_slots_ok"); state != "ok" || ok != "16384" {
			return fmt.Errorf("%s: state %s, %s slots served", s.Addr(), state, ok)
		}
		view, err := clusterView(ctx, client)
		if err != nil {
			return err
		}
		for _, m := range view {
			if dead := !slices.ContainsFunc(up, m.is); dead != m.has("fail") || m.has("fail?") {
				return fmt.Errorf("%s: takes %s for %v", s.Addr(), m.addr, m.flags)
			}
		}
		layouts[slices.Index(up, s)] = view.layout()
		return inSync(ctx, s, client)
	})
	if err != nil {
		return err
	}
	for i, l := range layouts {
		if l != layouts[0] {
			return fmt.Errorf("%s sees\n%s\nand %s sees\n%s", up[0].Addr(), layouts[0], up[i].Addr(), l)
		}
	}
	return nil
}

// Nodes returns all nodes. The first three began as masters, and node i+3 as
// the replica of node i.
func (c *Cluster) Nodes() []*Server { return slices.Clone(c.nodes) }

// Masters returns the nodes that answer and take themselves for masters, in
// the order of Nodes. Between a failure and its failover there are fewer than
// three.
func (c *Cluster) Masters() []*Server { return c.withFlag("master") }

// Replicas returns the nodes that answer and take themselves for replicas, in
// the order of Nodes.
func (c *Cluster) Replicas() []*Server { return c.withFlag("slave") }

func (c *Cluster) withFlag(flag string) []*Server {
	selves := c.selves()
	return slices.DeleteFunc(c.Nodes(), func(s *Server) bool { return !selves[s].has(flag) })
}

// Owner returns the master that serves key, or nil when none does right now.
func (c *Cluster) Owner(key string) *Server {
	var owner *Server
	slot, selves := keySlot(key), c.selves()
	for s, self := range selves {
		// A master that slept through its failover may still claim the slot.
		if self.has("master") && self.serves(slot) && (owner == nil || self.epoch > selves[owner].epoch) {
			owner = s
		}
	}
	return owner
}

// selves returns what the nodes that answer think of themselves. It has no
// context because it also serves one-line lookups in tests; each bounds it.
func (c *Cluster) selves() map[*Server]member {
	var mu sync.Mutex
	found := map[*Server]member{}
	_ = each(context.Background(), responsive(c.nodes), func(ctx context.Context, s *Server, client *redis.Client) error {
		view, err := clusterView(ctx, client)
		if err != nil {
			return nil // does not answer, and so is left out
		}
		self, ok := view.self()
		if ok {
			mu.Lock()
			defer mu.Unlock()
			found[s] = self
		}
		return nil
	})
	return found
}

// Addrs returns the addresses of all nodes.
func (c *Cluster) Addrs() []string { return addrs(c.nodes) }

// URL returns redis+cluster://user:password@host:port,host:port,... with all
// nodes, or rediss+cluster:// with TLS.
func (c *Cluster) URL() string {
	return c.nodes[0].spec.access.url("+cluster", strings.Join(c.Addrs(), ","), "")
}

// NewClient returns a cluster client that may do everything. The caller closes
// it.
func (c *Cluster) NewClient() *redis.ClusterClient {
	o := c.nodes[0].clientOptions()
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                 c.Addrs(),
		Username:              o.Username,
		Password:              o.Password,
		TLSConfig:             o.TLSConfig,
		DialerRetries:         o.DialerRetries,
		ContextTimeoutEnabled: true,
		// A refused dial does not make the client ask for the new layout, and
		// by default it would dial a dead master for up to a minute.
		ClusterStateReloadInterval: 100 * time.Millisecond,
		DisableIdentity:            true,
		MaintNotificationsConfig:   o.MaintNotificationsConfig,
	})
}

// Close ends all nodes. Closing twice is fine.
func (c *Cluster) Close() error { return closeAll(c.nodes) }
