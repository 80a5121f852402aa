package redistest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// each calls f for all servers at once, with a client of its own and little
// time: a server may have been stopped a moment ago.
func each(ctx context.Context, servers []*Server, f func(context.Context, *Server, *redis.Client) error) error {
	var g errgroup.Group
	for _, s := range servers {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			client := s.NewClient()
			defer client.Close()
			return f(ctx, s, client)
		})
	}
	return g.Wait()
}

// responsive returns the servers that run and are not stopped.
func responsive(servers []*Server) []*Server {
	return slices.DeleteFunc(slices.Clone(servers), func(s *Server) bool { return !s.responsive() })
}

func addrs(servers []*Server) []string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = s.Addr()
	}
	return all
}

// inSync fails when the server is a replica without its master's data.
func inSync(ctx context.Context, s *Server, client *redis.Client) error {
	info, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	if field(info, "role") == "slave" && field(info, "master_link_status") != "up" {
		return fmt.Errorf("%s is not in sync", s.Addr())
	}
	return nil
}
