-- +goose Up

create schema if not exists authd;

-- What this database has been brought to. A server of version V runs if version V is here
-- and no row asks for a newer server: needs is the oldest version whose servers still work.
create table authd.schema_versions (
  version    bigint primary key,
  needs      bigint not null,
  applied_at timestamptz not null default clock_timestamp(),
  constraint schema_versions_needs_no_later check (needs <= version)
);

-- The two clocks that all statements use: tests replace them by ones with an offset.
create function authd.clock() returns timestamptz language sql volatile as 'select clock_timestamp()';
-- When the request's transaction began, about when the request arrived.
create function authd.arrival() returns timestamptz language sql stable as 'select now()';

create table authd.clients (
  client_id       text collate "C" primary key,
  name            text not null default '',
  auth_method     text not null,
  grant_types     text[] not null,
  redirect_uris   text[] not null default '{}',
  allowed_origins text[] not null default '{}',
  scope           text[] not null default '{}',
  audience        text[] not null default '{}',
  access_ttl      integer, -- seconds; null: the server's default
  refresh_ttl     integer,
  first_party     boolean not null default false,
  resource_server boolean not null default false,
  epoch           bigint not null default 0,
  ended_at        timestamptz, -- tokens without a family and with a smaller iat are dead
  disabled_at     timestamptz,
  deleted_at      timestamptz, -- the row stays, so that a namesake gets a later epoch
  created_at      timestamptz not null default authd.clock(),
  constraint clients_auth_method_known check (auth_method in ('client_secret_basic', 'client_secret_post', 'none')),
  constraint clients_id_not_a_users check (client_id not like 'usr\_%'),
  constraint clients_ttl_positive check (access_ttl > 0 and refresh_ttl > 0),
  constraint clients_public_is_no_resource_server check (not (resource_server and auth_method = 'none'))
);

create table authd.client_secrets (
  client_id  text collate "C" not null references authd.clients,
  slot       smallint not null,
  sha256     bytea not null,
  created_at timestamptz not null default authd.clock(),
  primary key (client_id, slot),
  constraint client_secrets_two_live check (slot in (1, 2)),
  constraint client_secrets_sha256_length check (length(sha256) = 32)
);

create table authd.users (
  sub           text collate "C" primary key,
  username      text not null,
  username_key  text collate "C" not null, -- canonical form, in which names are compared
  password_hash text not null,             -- PHC string
  email         text not null default '',
  name          text not null default '',
  created_at    timestamptz not null default authd.clock(),
  constraint users_username_key_unique unique (username_key),
  constraint users_sub_prefixed check (sub like 'usr\_%')
);

-- Subjects, built-in users and the host's own alike, that were ever ended or disabled: no row is epoch 0.
create table authd.subjects (
  subject     text collate "C" primary key,
  epoch       bigint not null default 0,
  ended_at    timestamptz,
  disabled_at timestamptz
);

create table authd.login_attempts (
  account       bytea primary key, -- SHA-256 of the canonical name, known or not
  failures      integer not null,  -- in a row, the one being verified included
  blocked_until timestamptz not null,
  updated_at    timestamptz not null,
  constraint login_attempts_account_length check (length(account) = 32)
);
create index login_attempts_updated_at on authd.login_attempts (updated_at);

-- One row per sign-in, updated in place by each rotation. No index on a column that a
-- rotation writes and room on the page: rotations stay HOT. No foreign key to clients:
-- its key-share lock would write to a busy client's row at each sign-in.
create table authd.token_families (
  id             uuid primary key,
  client_id      text collate "C" not null,
  subject        text collate "C" not null,
  scope          text[] not null,
  resource       text not null default '',
  auth_time      timestamptz not null,
  amr            text[] not null default '{}',
  acr            text not null default '',
  generation     bigint not null default 0,
  leaf_jti       text collate "C" not null,
  leaf_kid       text collate "C" not null,
  leaf_iat       timestamptz not null,
  leaf_exp       timestamptz not null,
  parent_jti     text collate "C",
  rotated_at     timestamptz,
  replays        integer not null default 0,
  absolute_exp   timestamptz not null,
  user_epoch     bigint not null,
  client_epoch   bigint not null,
  created_at     timestamptz not null default authd.clock(),
  revoked_at     timestamptz,
  revoked_reason text,
  constraint token_families_leaf_within_family check (leaf_exp <= absolute_exp),
  constraint token_families_parent_after_first check ((generation = 0) = (parent_jti is null)),
  constraint token_families_rotated_after_first check ((generation = 0) = (rotated_at is null)),
  constraint token_families_revoked_for_a_reason check ((revoked_at is null) = (revoked_reason is null))
) with (fillfactor = 80);
create index token_families_absolute_exp on authd.token_families (absolute_exp);
create index token_families_subject on authd.token_families (subject, client_id);

-- What must never happen to a family, whoever writes the statement.
-- +goose StatementBegin
create function authd.guard_token_family() returns trigger language plpgsql as $$
begin
  if (new.id, new.client_id, new.subject, new.scope, new.resource, new.auth_time, new.amr, new.acr,
      new.absolute_exp, new.user_epoch, new.client_epoch, new.created_at)
     is distinct from
     (old.id, old.client_id, old.subject, old.scope, old.resource, old.auth_time, old.amr, old.acr,
      old.absolute_exp, old.user_epoch, old.client_epoch, old.created_at) then
    raise exception 'a token family never changes what was granted'
      using errcode = 'integrity_constraint_violation', constraint = 'token_families_grant_fixed';
  end if;
  if old.revoked_at is not null and new is distinct from old then
    raise exception 'a revoked token family never changes'
      using errcode = 'integrity_constraint_violation', constraint = 'token_families_revoked_is_final';
  end if;
  if new.generation = old.generation then
    if (new.leaf_jti, new.leaf_kid, new.leaf_iat, new.leaf_exp, new.parent_jti, new.rotated_at)
       is distinct from
       (old.leaf_jti, old.leaf_kid, old.leaf_iat, old.leaf_exp, old.parent_jti, old.rotated_at)
       or new.replays < old.replays then
      raise exception 'a leaf never changes within its generation'
        using errcode = 'integrity_constraint_violation', constraint = 'token_families_leaf_fixed';
    end if;
  elsif new.generation is distinct from old.generation + 1
     or new.parent_jti is distinct from old.leaf_jti or new.leaf_jti = old.leaf_jti then
    raise exception 'a token family steps by one generation, from leaf to leaf'
      using errcode = 'integrity_constraint_violation', constraint = 'token_families_steps_by_one';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger token_families_guard before update on authd.token_families
  for each row execute function authd.guard_token_family();

-- Access tokens that were ended one by one, until they would have expired.
create table authd.revoked_tokens (
  jti        text collate "C" primary key,
  client_id  text collate "C" not null,
  audience   text not null,
  exp        timestamptz not null,
  revoked_at timestamptz not null default authd.clock()
);
create index revoked_tokens_exp on authd.revoked_tokens (exp);

create table authd.signing_keys (
  kid             text collate "C" primary key, -- RFC 7638 thumbprint
  ring            text not null,
  seq             bigint not null,
  alg             text not null,
  public_jwk      jsonb not null,
  private_jwe     text, -- null once wiped
  announced_at    timestamptz not null,
  rotate_after    timestamptz not null,
  signs_from      timestamptz,
  signs_until     timestamptz,
  published_until timestamptz,
  revoked_at      timestamptz,
  constraint signing_keys_ring_known check (ring in ('access', 'refresh')),
  constraint signing_keys_seq_unique unique (ring, seq),
  constraint signing_keys_signs_in_order check (signs_until is null or signs_from <= signs_until),
  constraint signing_keys_published_once_retired check ((signs_until is null) = (published_until is null)),
  constraint signing_keys_published_after_signing check (published_until > signs_until)
);
create unique index signing_keys_one_signing on authd.signing_keys (ring)
  where signs_from is not null and signs_until is null and revoked_at is null;
create unique index signing_keys_one_announced on authd.signing_keys (ring)
  where signs_from is null and revoked_at is null;

-- A known text sealed by each key-encryption key: tells a wrong or missing one at start.
create table authd.kek_checks (
  kek_id     text collate "C" primary key,
  sealed     text not null,
  created_at timestamptz not null default authd.clock()
);

insert into authd.schema_versions (version, needs) values (1, 1);
