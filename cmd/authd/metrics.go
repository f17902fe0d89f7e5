package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/go-authd/authd"
)

// metrics has a registry of its own: nothing that a library registers by itself gets in.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	events   *prometheus.CounterVec
}

func newMetrics(pool *pgxpool.Pool) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "authd_request_duration_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authd_events_total", Help: "Changes that were committed, and refusals worth a look.",
		}, []string{"event"}),
	}
	for _, name := range eventNames {
		m.events.WithLabelValues(name) // an alert on a rate needs the zero before the one
	}
	m.registry.MustRegister(m.requests, m.events, poolCollector{pool}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// watch adds what the server knows of itself.
func (m *metrics) watch(srv *authd.Server) { m.registry.MustRegister(serverCollector{srv}) }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// request is authd.Config.OnRequest. No label takes a value that a client makes up.
func (m *metrics) request(_ context.Context, r authd.RequestInfo) {
	route, method := r.Route, r.Method
	if route == "" {
		route = "none"
	}
	if !slices.Contains(methods, method) {
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(r.Status)).Observe(r.Duration.Seconds())
}

// event is authd.Config.OnEvent.
func (m *metrics) event(_ context.Context, e authd.Event) {
	m.events.WithLabelValues(eventName(e)).Inc()
}

var eventNames = []string{
	"grant_issued", "family_revoked", "reuse_detected", "db_rollback_suspected", "grace_replayed",
	"foreign_token_refused", "constant_challenge", "token_revoked", "subject_ended", "client_ended",
	"key_announced", "key_rotated", "key_revoked", "key_expired",
}

func eventName(e authd.Event) string {
	switch e := e.(type) {
	case authd.GrantIssued:
		return "grant_issued"
	case authd.FamilyRevoked:
		return "family_revoked"
	case authd.ReuseDetected:
		if e.Fork {
			return "db_rollback_suspected"
		}
		return "reuse_detected"
	case authd.GraceReplayed:
		return "grace_replayed"
	case authd.ForeignTokenRefused:
		return "foreign_token_refused"
	case authd.ConstantChallenge:
		return "constant_challenge"
	case authd.TokenRevoked:
		return "token_revoked"
	case authd.SubjectEnded:
		return "subject_ended"
	case authd.ClientEnded:
		return "client_ended"
	case authd.KeyAnnounced:
		return "key_announced"
	case authd.KeyRotated:
		return "key_rotated"
	case authd.KeyRevoked:
		return "key_revoked"
	case authd.KeyExpired:
		return "key_expired"
	}
	return "other"
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("authd_"+name, help, labels, nil)
}

var (
	signatures    = describe("signatures_total", "Signatures made.")
	waiting       = describe("signatures_waiting", "Signatures that wait for a processor.")
	snapshotAge   = describe("key_snapshot_age_seconds", "Age of the key rings in memory; above 60 the server refuses to sign.")
	keyAge        = describe("key_age_seconds", "How long the signing key has been signing.", "ring")
	keyRotation   = describe("key_next_rotation_seconds", "Time until the signing key is planned to be replaced; negative when late.", "ring")
	clockSkew     = describe("clock_skew_seconds", "How far this host's clock is ahead of the database's; beyond 5 the server is not ready.")
	rowsDeleted   = describe("rows_deleted_total", "Dead rows deleted.", "table")
	poolConns     = describe("pool_connections", "Connections to PostgreSQL.", "state")
	poolMax       = describe("pool_connections_max", "Most connections to PostgreSQL.")
	poolAcquires  = describe("pool_acquires_total", "Connections taken from the pool.")
	poolWaits     = describe("pool_empty_acquires_total", "Connections that had to be waited for.")
	poolCancelled = describe("pool_canceled_acquires_total", "Connections that were given up waiting for.")
	poolWaited    = describe("pool_acquire_seconds_total", "Time spent taking connections from the pool.")
)

// serverCollector reads authd.Stats at each scrape. What it describes it finds out by
// collecting, since rings and tables are the server's.
type serverCollector struct{ srv *authd.Server }

func (c serverCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

func (c serverCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.srv.Stats()
	ch <- counter(signatures, float64(s.Signatures))
	ch <- gauge(waiting, float64(s.SignaturesWaiting))
	ch <- gauge(snapshotAge, s.KeySnapshotAge.Seconds())
	for ring, age := range s.KeyAge {
		ch <- gauge(keyAge, age.Seconds(), ring)
	}
	for ring, d := range s.KeyRotatesIn {
		ch <- gauge(keyRotation, d.Seconds(), ring)
	}
	ch <- gauge(clockSkew, s.ClockSkew.Seconds())
	for table, n := range s.RowsDeleted {
		ch <- counter(rowsDeleted, float64(n), table)
	}
}

type poolCollector struct{ pool *pgxpool.Pool }

func (c poolCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

func (c poolCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.pool.Stat()
	ch <- gauge(poolConns, float64(s.AcquiredConns()), "acquired")
	ch <- gauge(poolConns, float64(s.IdleConns()), "idle")
	ch <- gauge(poolConns, float64(s.ConstructingConns()), "constructing")
	ch <- gauge(poolMax, float64(s.MaxConns()))
	ch <- counter(poolAcquires, float64(s.AcquireCount()))
	ch <- counter(poolWaits, float64(s.EmptyAcquireCount()))
	ch <- counter(poolCancelled, float64(s.CanceledAcquireCount()))
	ch <- counter(poolWaited, s.AcquireDuration().Seconds())
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}
