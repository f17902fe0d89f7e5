package authd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

// Outcomes of a [Finding].
const (
	FindingOK      = "ok"
	FindingWarning = "warning" // works, with less than is promised
	FindingFailed  = "failed"
	FindingSkipped = "skipped" // it needs what an earlier check did not find
)

// Finding is what one check of [Diagnose] found.
type Finding struct {
	Check   string // database, commit, clock, schema, keys or issuer
	Outcome string
	Detail  string
	Remedy  string // "" where there is nothing to do
}

const (
	// maxSkew is what lifetimes and schedules reckon with.
	maxSkew         = 5 * time.Second
	diagnoseTimeout = 10 * time.Second
	// rotationSlack: servers look at the plan every KeyPoll, half a minute at most.
	rotationSlack = time.Minute
)

// Diagnose looks for what keeps a server with this configuration from running or from
// keeping its promises: the database's settings, its clock, the schema, whether the
// key-encryption keys open the rings, and whether clients reach the issuer. It changes
// nothing and needs no running server, which it reports as one that cannot be reached.
// Of cfg it reads Issuer, InsecureIssuer, DB, KeyEncryptionKeys, Signer and Now.
func Diagnose(ctx context.Context, cfg Config) []Finding {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, diagnoseTimeout)
	defer cancel()
	found := checkPostgres(ctx, cfg.DB, cfg.Now)
	if len(found) == 1 { // no connection
		return found
	}
	d, schema := db.New(cfg.DB), diagnoseSchema(ctx, &cfg)
	found = append(found, schema)
	if schema.Outcome == FindingFailed {
		return append(found, Finding{"keys", FindingSkipped, "without a schema there are none", ""}, checkReachable(ctx, &cfg, ""))
	}
	rings, kid := diagnoseKeys(ctx, &cfg, d)
	return append(found, rings, checkReachable(ctx, &cfg, kid))
}

// checkPostgres is the part that concerns PostgreSQL itself: whether it can write, whether
// its commits are durable, and its clock compared with now. Without a connection that is
// the one finding.
func checkPostgres(ctx context.Context, pool *pgxpool.Pool, now func() time.Time) []Finding {
	sent := now()
	s, err := db.New(pool).Settings(ctx)
	if err != nil {
		return []Finding{{"database", FindingFailed, err.Error(), "is it up, and is its address right?"}}
	}
	middle := sent.Add(now().Sub(sent) / 2) // about when the database looked at its clock
	return []Finding{checkServer(s), checkCommit(s), checkClock(s, middle)}
}

func checkServer(s db.Settings) Finding {
	f := Finding{"database", FindingOK, "PostgreSQL " + s.Version, ""}
	switch {
	case s.InRecovery:
		f.Outcome, f.Detail = FindingFailed, f.Detail+" is a standby, which cannot write"
		f.Remedy = "connect to the primary: target_session_attrs=read-write with all hosts in the URL"
	case s.ReadOnly:
		f.Outcome, f.Detail = FindingFailed, f.Detail+" lets this role read only"
		f.Remedy = "set default_transaction_read_only to off for role and database"
	}
	return f
}

// checkCommit looks for what makes a commit less than durable.
func checkCommit(s db.Settings) Finding {
	f := Finding{"commit", FindingOK, "durable; no synchronous standby, so a fail-over may lose the last changes", ""}
	if s.Standbys != "" {
		f.Detail = "durable, and confirmed by a synchronous standby"
	}
	var wrong []string
	if s.Fsync != "on" {
		wrong = append(wrong, "fsync")
	}
	if s.FullPageWrites != "on" {
		wrong = append(wrong, "full_page_writes")
	}
	if s.SynchronousCommit != "on" && s.SynchronousCommit != "remote_apply" {
		wrong = append(wrong, "synchronous_commit")
	}
	if len(wrong) > 0 {
		f.Outcome, f.Detail = FindingFailed, strings.Join(wrong, ", ")+" not on: a revocation that was answered with success can be lost in a crash"
		f.Remedy = "set them to on in postgresql.conf, and for role and database"
	}
	return f
}

func checkClock(s db.Settings, local time.Time) Finding {
	skew := time.Duration(s.ClockSeconds*1e6)*time.Microsecond - time.Duration(local.UnixMicro())*time.Microsecond
	f := Finding{"clock", FindingOK, fmt.Sprintf("differs from the database's by %s", skew.Abs().Round(time.Millisecond)), ""}
	if skew.Abs() > maxSkew {
		f.Outcome, f.Remedy = FindingWarning, "tokens take the database's time: let both machines use NTP, verifiers too"
	}
	return f
}

func diagnoseSchema(ctx context.Context, cfg *Config) Finding {
	switch err := checkSchema(ctx, cfg.DB); {
	case err == nil:
		return Finding{"schema", FindingOK, fmt.Sprintf("fits this build, which needs version %d", NeededSchema), ""}
	default:
		return Finding{"schema", FindingFailed, err.Error(), "authd migrate"}
	}
}

// diagnoseKeys returns the kid that signs access tokens too, "" for none.
func diagnoseKeys(ctx context.Context, cfg *Config, d *db.DB) (Finding, string) {
	all, err := d.Keys(ctx)
	if err != nil {
		return Finding{"keys", FindingFailed, err.Error(), ""}, ""
	}
	if len(cfg.KeyEncryptionKeys) == 0 && cfg.Signer == nil {
		return Finding{"keys", FindingFailed, "no key-encryption key is given", "--kek-file or AUTHD_KEK; authd kek new makes one"}, ""
	}
	if err := keys.Check(ctx, cfg.keys(d)); err != nil {
		return Finding{"keys", FindingFailed, err.Error(), "give the key-encryption key that this database was started with"}, ""
	}
	return checkRings(all, cfg.Now())
}

func checkRings(all []oauth.Key, now time.Time) (Finding, string) {
	if len(all) == 0 {
		return Finding{"keys", FindingOK, "none yet: the first start of a server makes them", ""}, ""
	}
	f := Finding{"keys", FindingOK, "the key-encryption key opens both rings", ""}
	var kid string
	for _, ring := range []oauth.Ring{oauth.AccessRing, oauth.RefreshRing} {
		i := slices.IndexFunc(all, func(k oauth.Key) bool { return k.Ring == ring && k.State(now) == oauth.KeySigning })
		if i < 0 {
			return Finding{"keys", FindingFailed, fmt.Sprintf("ring %s has no signing key", ring), ""}, ""
		}
		if late := now.Sub(all[i].RotateAfter); late > rotationSlack {
			f.Outcome, f.Remedy = FindingWarning, "is a server running? it rotates by itself"
			f.Detail = fmt.Sprintf("the key of ring %s was to be replaced at %s", ring, all[i].RotateAfter.UTC().Format(time.RFC3339))
		}
		if ring == oauth.AccessRing {
			kid = all[i].KID
		}
	}
	return f, kid
}

// checkReachable asks as a resource server would: metadata (RFC 8414 §3), then the JWKS,
// which must have the signing key unless kid is "".
func checkReachable(ctx context.Context, cfg *Config, kid string) Finding {
	if err := checkIssuer(cfg.Issuer, cfg.InsecureIssuer); err != nil {
		return Finding{"issuer", FindingFailed, cfg.Issuer + " " + err.Error(), ""}
	}
	if err := askIssuer(ctx, cfg.Issuer, kid); err != nil {
		return Finding{"issuer", FindingFailed, err.Error(), "is the server up, and does the proxy in front pass /.well-known/ on?"}
	}
	return Finding{"issuer", FindingOK, cfg.Issuer + " answers with its metadata and keys", ""}
}

func askIssuer(ctx context.Context, issuer, kid string) error {
	u, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	u.Path = "/.well-known/oauth-authorization-server" + u.Path
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := fetch(ctx, u.String(), &metadata); err != nil {
		return err
	}
	if metadata.Issuer != issuer {
		return fmt.Errorf("%s is of issuer %q, which clients will refuse (RFC 8414 §3.3)", u, metadata.Issuer)
	}
	var jwks struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	if err := fetch(ctx, metadata.JWKSURI, &jwks); err != nil {
		return err
	}
	for _, k := range jwks.Keys {
		if k.KID == kid {
			return nil
		}
	}
	if kid == "" && len(jwks.Keys) > 0 {
		return nil
	}
	return fmt.Errorf("%s does not have the signing key of this database: another database, or a cache in front", metadata.JWKSURI)
}

// maxDocument bounds what is read of metadata and JWKS.
const maxDocument = 1 << 20

func fetch(ctx context.Context, address string, into any) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: diagnoseTimeout / 2}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(into); err != nil {
		return fmt.Errorf("%s is no JSON: %w", address, err)
	}
	return nil
}
