package l2

import (
	"crypto/tls"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Settings of the clients that Open builds, beside those Config knows.
const (
	// RESP2 is enough: nothing here waits for pushes, and RESP3 makes the client look for
	// them around every command.
	protocol = 2

	// One retry covers a connection that the server closed while it was idle. More only
	// spend the caller's time, and every retry may run a command a second time.
	maxRetries      = 1
	minRetryBackoff = 2 * time.Millisecond
	maxRetryBackoff = 20 * time.Millisecond

	// A Cluster answers MOVED or ASK while slots migrate, each counts as an attempt.
	maxRedirects = 3

	// Pipelines use the connections that everything else uses: PoolSize is then the number
	// of connections, and not that and ten more with buffers of 256 KiB each.
	noPipelinePool = -1

	// Reads that no caller waits for, such as a reload of the cluster's map, have at least
	// this long, so that a very short CallTimeout does not keep a client from ever
	// learning the topology.
	minReadTimeout = 100 * time.Millisecond
)

func (t target) client(c Config) redis.UniversalClient {
	switch t.topology {
	case sentinel:
		return redis.NewFailoverClient(t.failoverOptions(c))
	case cluster:
		return redis.NewClusterClient(t.clusterOptions(c))
	default:
		return redis.NewClient(t.singleOptions(c))
	}
}

// validate reports what a URL and a Config say against each other.
func (t target) validate(c Config) error {
	var errs []error
	if c.TLS != nil && !t.tls {
		errs = append(errs, errors.New("l2: Config.TLS is set but the URL's scheme has no TLS: write rediss:// or leave TLS nil"))
	}
	if t.topology == cluster && c.DB != 0 {
		errs = append(errs, errors.New("l2: Config.DB or the URL selects a database, but a Cluster has only 0"))
	}
	if t.topology != sentinel && c.SentinelPassword != "" {
		errs = append(errs, errors.New("l2: Config.SentinelPassword is set but the URL names no Sentinels: write redis+sentinel:// or leave it empty"))
	}
	return errors.Join(errs...)
}

func (t target) singleOptions(c Config) *redis.Options {
	o := &redis.Options{
		Network:                    "tcp",
		ClientName:                 c.ClientName,
		Protocol:                   protocol,
		Username:                   c.Username,
		Password:                   c.Password,
		CredentialsProviderContext: c.Credentials,
		DB:                         c.DB,
		MaxRetries:                 maxRetries,
		MinRetryBackoff:            minRetryBackoff,
		MaxRetryBackoff:            maxRetryBackoff,
		DialTimeout:                c.DialTimeout,
		DialerRetries:              1,
		ReadTimeout:                max(c.CallTimeout, minReadTimeout),
		WriteTimeout:               max(c.CallTimeout, minReadTimeout),
		ContextTimeoutEnabled:      true,
		PoolSize:                   c.PoolSize,
		PipelinePoolSize:           noPipelinePool,
		PoolTimeout:                c.CallTimeout,
		TLSConfig:                  t.tlsConfig(c),
		DisableIdentity:            true,
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if t.socket != "" {
		o.Network, o.Addr = "unix", t.socket
	} else {
		o.Addr = t.addrs[0]
	}
	return o
}

func (t target) failoverOptions(c Config) *redis.FailoverOptions {
	return &redis.FailoverOptions{ // maintenance notifications are always off here
		MasterName:                 t.master,
		SentinelAddrs:              t.addrs,
		SentinelUsername:           c.SentinelUsername,
		SentinelPassword:           c.SentinelPassword,
		ClientName:                 c.ClientName,
		Protocol:                   protocol,
		Username:                   c.Username,
		Password:                   c.Password,
		CredentialsProviderContext: c.Credentials,
		DB:                         c.DB,
		MaxRetries:                 maxRetries,
		MinRetryBackoff:            minRetryBackoff,
		MaxRetryBackoff:            maxRetryBackoff,
		DialTimeout:                c.DialTimeout,
		DialerRetries:              1,
		ReadTimeout:                max(c.CallTimeout, minReadTimeout),
		WriteTimeout:               max(c.CallTimeout, minReadTimeout),
		ContextTimeoutEnabled:      true,
		PoolSize:                   c.PoolSize,
		PipelinePoolSize:           noPipelinePool,
		PoolTimeout:                c.CallTimeout,
		TLSConfig:                  t.tlsConfig(c),
		DisableIdentity:            true,
	}
}

func (t target) clusterOptions(c Config) *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs:                      t.addrs,
		ClientName:                 c.ClientName,
		Protocol:                   protocol,
		Username:                   c.Username,
		Password:                   c.Password,
		CredentialsProviderContext: c.Credentials,
		MaxRedirects:               maxRedirects, // counts retries as well; those of the nodes stay off
		MinRetryBackoff:            minRetryBackoff,
		MaxRetryBackoff:            maxRetryBackoff,
		DialTimeout:                c.DialTimeout,
		DialerRetries:              1,
		ReadTimeout:                max(c.CallTimeout, minReadTimeout),
		WriteTimeout:               max(c.CallTimeout, minReadTimeout),
		ContextTimeoutEnabled:      true,
		PoolSize:                   c.PoolSize,
		PipelinePoolSize:           noPipelinePool,
		PoolTimeout:                c.CallTimeout,
		TLSConfig:                  t.tlsConfig(c),
		DisableIdentity:            true,
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		// The routing policies ask each node for COMMAND first, a right the user need not
		// have, and do nothing for commands with one key.
		DisableRoutingPolicies: true,
	}
}

// tlsConfig returns nil for a URL without TLS.
func (t target) tlsConfig(c Config) *tls.Config {
	if !t.tls {
		return nil
	}
	if c.TLS != nil {
		own := c.TLS.Clone()
		own.InsecureSkipVerify = own.InsecureSkipVerify || t.skipVerify
		return own
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.skipVerify} //nolint:gosec // only if the URL says so
}
