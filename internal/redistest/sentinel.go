package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	masterName       = "mymaster"
	sentinelReplicas = 2
	sentinelCount    = 3
)

// Sentinel is a master with two replicas, watched by three sentinels of which
// two must agree. Methods are safe for concurrent use.
type Sentinel struct {
	nodes     []*Server // data servers; the first began as the master; read-only
	sentinels []*Server // read-only
	fail      func(error)
}

// LaunchSentinel starts the servers and returns when all sentinels know each
// other and agree, and the replicas are in sync. A master that does not answer
// is failed over after about two seconds. Options.Config and Options.Users
// hold for the data servers, Options.TLS for all; sentinels have no users. ctx
// bounds the start only.
func LaunchSentinel(ctx context.Context, o Options) (*Sentinel, error) {
	a, err := prepare(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := withStartTimeout(ctx)
	defer cancel()

	s := &Sentinel{}
	if err := s.launch(ctx, o, a); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sentinel) launch(ctx context.Context, o Options, a *access) error {
	master, err := launch(ctx, spec{opts: o, access: a})
	if err != nil {
		return err
	}
	s.nodes = []*Server{master}

	replica := spec{opts: o, access: a, lines: []string{fmt.Sprintf("replicaof 127.0.0.1 %d", master.port)}}
	replicas, err := launchAll(ctx, slices.Repeat([]spec{replica}, sentinelReplicas))
	if err != nil {
		return err
	}
	s.nodes = append(s.nodes, replicas...)
	// Sentinels learn of replicas from the master, the first time at once and
	// then every ten seconds. So the replicas have to be there first.
	if err := poll(ctx, 10*time.Millisecond, func(ctx context.Context) error { return each(ctx, s.nodes, inSync) }); err != nil {
		return err
	}

	sentinel := spec{
		opts:     Options{TLS: o.TLS, Binary: o.Binary},
		access:   &access{certs: a.certs},
		sentinel: true,
		lines: []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", masterName, master.port),
			fmt.Sprintf("sentinel down-after-milliseconds %s 1000", masterName),
			fmt.Sprintf("sentinel failover-timeout %s 3000", masterName),
			fmt.Sprintf("sentinel parallel-syncs %s %d", masterName, sentinelReplicas),
		},
	}
	if admin := a.admin(); admin.Name != "" {
		sentinel.lines = append(sentinel.lines,
			fmt.Sprintf("sentinel auth-user %s %s", masterName, admin.Name),
			fmt.Sprintf("sentinel auth-pass %s %s", masterName, admin.Password))
	}
	if s.sentinels, err = launchAll(ctx, slices.Repeat([]spec{sentinel}, sentinelCount)); err != nil {
		return err
	}
	if err := each(ctx, s.sentinels, hurry); err != nil {
		return err
	}
	return poll(ctx, 20*time.Millisecond, s.ready)
}

// hurry makes a sentinel talk and look more often than every two and ten
// seconds, which would be most of what a test waits for. Servers before 7.0
// cannot do that and are merely slower, hence no error.
func hurry(ctx context.Context, _ *Server, client *redis.Client) error {
	client.Do(ctx, "sentinel", "debug", "info-period", 500, "publish-period", 200)
	return nil
}

// WaitReady waits until all has come to rest: the sentinels that run agree on
// a master, and the other running data servers are its replicas and in sync.
// Without a deadline in ctx it gives up after 30 seconds.
func (s *Sentinel) WaitReady(ctx context.Context) error {
	ctx, cancel := withStartTimeout(ctx)
	defer cancel()
	return report(s.fail, "wait for the sentinels", poll(ctx, 20*time.Millisecond, s.ready))
}

func (s *Sentinel) ready(ctx context.Context) error {
	master := s.ask(ctx)
	if master == nil || !master.responsive() {
		return errors.New("no master that answers")
	}
	err := each(ctx, responsive(s.nodes), func(ctx context.Context, node *Server, client *redis.Client) error {
		info, err := client.Info(ctx, "replication").Result()
		if err != nil {
			return err
		}
		if node == master {
			if role := field(info, "role"); role != "master" {
				return fmt.Errorf("%s should be the master and is a %s", node.Addr(), role)
			}
			return nil
		}
		if of := field(info, "master_port"); of != strconv.Itoa(master.port) {
			return fmt.Errorf("%s replicates %q instead of %d", node.Addr(), of, master.port)
		}
		return inSync(ctx, node, client)
	})
	if err != nil {
		return err
	}
	return each(ctx, responsive(s.sentinels), func(ctx context.Context, sentinel *Server, _ *redis.Client) error {
		client := redis.NewSentinelClient(sentinel.clientOptions())
		defer client.Close()
		return s.agrees(ctx, client, master)
	})
}

// agrees fails when a sentinel sees anything but a healthy master, its
// replicas and the other sentinels.
func (s *Sentinel) agrees(ctx context.Context, client *redis.SentinelClient, master *Server) error {
	m, err := client.Master(ctx, masterName).Result()
	if err != nil {
		return err
	}
	if m["flags"] != "master" || m["port"] != strconv.Itoa(master.port) ||
		m["num-slaves"] != strconv.Itoa(len(s.nodes)-1) ||
		m["num-other-sentinels"] != strconv.Itoa(len(s.sentinels)-1) {
		return fmt.Errorf("a sentinel sees %v", m)
	}
	replicas, err := client.Replicas(ctx, masterName).Result()
	if err != nil {
		return err
	}
	for _, r := range replicas {
		node := s.node(net.JoinHostPort(r["ip"], r["port"]))
		if node == nil || !node.responsive() {
			continue
		}
		// Without the link a failover would find no replica to promote.
		if r["flags"] != "slave" || r["master-link-status"] != "ok" {
			return fmt.Errorf("a sentinel sees the replica %v", r)
		}
	}
	return nil
}

// Failover has the sentinels promote a replica of the healthy master, and
// returns when the change is complete (see WaitReady).
func (s *Sentinel) Failover() error {
	ctx, cancel := withStartTimeout(context.Background())
	defer cancel()
	return report(s.fail, "fail over", s.failover(ctx))
}

func (s *Sentinel) failover(ctx context.Context) error {
	var old *Server
	return poll(ctx, 20*time.Millisecond, func(ctx context.Context) error {
		now := s.ask(ctx)
		switch {
		case now == nil:
			return errors.New("no sentinel answers")
		case old == nil:
			old = now
		case now != old:
			return s.ready(ctx)
		}
		return s.order(ctx, old)
	})
}

// order tells one sentinel to fail over, unless it has done so already. It is
// repeated because sentinels refuse for a moment after another failover, and
// give up one that does not finish within the failover time-out. One sentinel
// that has moved on while the others have not heard yet must not be told again,
// or it would move back.
func (s *Sentinel) order(ctx context.Context, old *Server) error {
	up := responsive(s.sentinels)
	if len(up) == 0 {
		return permanent{errors.New("no sentinel runs")}
	}
	client := redis.NewSentinelClient(up[0].clientOptions())
	defer client.Close()
	addr, err := client.GetMasterAddrByName(ctx, masterName).Result()
	if err != nil {
		return err
	}
	if s.node(net.JoinHostPort(addr[0], addr[1])) != old {
		return errors.New("the other sentinels have not heard of the new master")
	}
	if err := client.Failover(ctx, masterName).Err(); err != nil {
		return err
	}
	return errors.New("the master has not changed")
}

// Master returns the data server that the sentinels name, or nil when no
// sentinel answers. It may be dead for as long as they have not noticed.
func (s *Sentinel) Master() *Server { return s.ask(context.Background()) }

// ask returns the master that the most sentinels name: after a failover the
// one that led it knows first.
func (s *Sentinel) ask(ctx context.Context) *Server {
	up := responsive(s.sentinels)
	named := make([]*Server, len(up))
	_ = each(ctx, up, func(ctx context.Context, sentinel *Server, _ *redis.Client) error {
		client := redis.NewSentinelClient(sentinel.clientOptions())
		defer client.Close()
		addr, err := client.GetMasterAddrByName(ctx, masterName).Result()
		if err == nil && len(addr) == 2 {
			named[slices.Index(up, sentinel)] = s.node(net.JoinHostPort(addr[0], addr[1]))
		}
		return nil // a sentinel that does not answer has no vote
	})
	votes := map[*Server]int{}
	var master *Server
	for _, node := range named {
		if node == nil {
			continue
		}
		if votes[node]++; votes[node] > votes[master] {
			master = node
		}
	}
	return master
}

func (s *Sentinel) node(addr string) *Server {
	i := slices.IndexFunc(s.nodes, func(n *Server) bool { return n.Addr() == addr })
	if i < 0 {
		return nil
	}
	return s.nodes[i]
}

// MasterName returns the name under which the sentinels know the master.
func (s *Sentinel) MasterName() string { return masterName }

// Nodes returns the data servers. The first began as the master.
func (s *Sentinel) Nodes() []*Server { return slices.Clone(s.nodes) }

// Sentinels returns the sentinel processes.
func (s *Sentinel) Sentinels() []*Server { return slices.Clone(s.sentinels) }

// SentinelAddrs returns the addresses of the sentinels.
func (s *Sentinel) SentinelAddrs() []string { return addrs(s.sentinels) }

// URL returns redis+sentinel://user:password@host:port,.../mymaster/0 with all
// sentinels, or rediss+sentinel:// with TLS. The user is one of the data
// servers; the sentinels ask for none.
func (s *Sentinel) URL() string {
	return s.nodes[0].spec.access.url("+sentinel", strings.Join(s.SentinelAddrs(), ","), "/"+masterName+"/0")
}

// NewClient returns a client that follows the master and may do everything.
// The caller closes it.
func (s *Sentinel) NewClient() *redis.Client {
	o := s.nodes[0].clientOptions()
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:            masterName,
		SentinelAddrs:         s.SentinelAddrs(),
		Username:              o.Username,
		Password:              o.Password,
		TLSConfig:             o.TLSConfig,
		DialerRetries:         o.DialerRetries,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
	})
}

// Close ends all processes. Closing twice is fine.
func (s *Sentinel) Close() error {
	// Sentinels first, or they would begin a failover while the rest ends.
	return closeAll(slices.Concat(s.sentinels, s.nodes))
}
