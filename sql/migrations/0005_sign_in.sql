-- +goose Up

-- Confidential clients only: the secret is what a stolen code would lack.
alter table authd.clients
  add column pkce_optional boolean not null default false,
  add constraint clients_public_needs_pkce check (not (pkce_optional and auth_method = 'none'));

-- Who is signed in, in which browser. The row goes when the session ends.
create table authd.sessions (
  sha256       bytea primary key, -- of the cookie's value
  subject      text collate "C" not null,
  username     text not null,     -- as it was typed, to show
  user_epoch   bigint not null,
  auth_time    timestamptz not null,
  amr          text[] not null,
  acr          text not null,
  address      inet,              -- personal data, kept only where the host wants it
  user_agent   text,
  created_at   timestamptz not null default authd.clock(),
  last_used_at timestamptz not null default authd.clock(),
  expires_at   timestamptz not null, -- moves with use
  absolute_exp timestamptz not null,
  constraint sessions_sha256_length check (length(sha256) = 32),
  constraint sessions_end_in_any_case check (expires_at <= absolute_exp),
  constraint sessions_address_single check (masklen(address) = case family(address) when 4 then 32 else 128 end),
  constraint sessions_user_agent_short check (octet_length(user_agent) between 1 and 256)
);
create index sessions_expires_at on authd.sessions (expires_at);
create index sessions_subject on authd.sessions (subject);

-- What an application asks for, while a person signs in and consents: never changed, and
-- deleted by the answer.
create table authd.authorization_requests (
  sha256         bytea primary key, -- of its identifier
  browser_sha256 bytea not null,    -- of the cookie of the browser in which it began
  origin         cidr,              -- whose quota it counts for; null where no address is kept
  client_id      text collate "C" not null,
  client_epoch   bigint not null,
  redirect_uri   text not null,
  response_mode  text not null,
  state          text not null,
  scope          text[] not null,
  resource       text not null,
  code_challenge text not null, -- '': none
  nonce          text not null,
  prompt         text[] not null,
  max_age        integer,       -- seconds
  login_hint     text not null,
  ui_locales     text not null,
  created_at     timestamptz not null default authd.clock(),
  expires_at     timestamptz not null,
  constraint authorization_requests_sha256_length check (length(sha256) = 32 and length(browser_sha256) = 32),
  constraint authorization_requests_response_mode_known check (response_mode in ('query', 'form_post'))
);
create index authorization_requests_expires_at on authd.authorization_requests (expires_at);
create index authorization_requests_origin on authd.authorization_requests (origin, expires_at) where origin is not null;

-- A code outlives its use, so that a replay can end the family that came of it.
create table authd.authorization_codes (
  sha256         bytea primary key,
  client_id      text collate "C" not null,
  client_epoch   bigint not null,
  redirect_uri   text not null,
  code_challenge text not null, -- '': none
  nonce          text not null,
  subject        text collate "C" not null,
  user_epoch     bigint not null,
  session_sha256 bytea not null,
  scope          text[] not null,
  resource       text not null,
  auth_time      timestamptz not null,
  amr            text[] not null,
  acr            text not null,
  expires_at     timestamptz not null,
  wrong_guesses  smallint not null default 0,
  consumed_at    timestamptz,
  family_id      uuid,
  constraint authorization_codes_sha256_length check (length(sha256) = 32),
  constraint authorization_codes_family_once_consumed check ((consumed_at is null) = (family_id is null))
);
create index authorization_codes_expires_at on authd.authorization_codes (expires_at);

-- What a code was made for never changes, and what it became is final.
-- +goose StatementBegin
create function authd.guard_authorization_code() returns trigger language plpgsql as $$
begin
  if (to_jsonb(new) - '{wrong_guesses,consumed_at,family_id}'::text[])
     is distinct from (to_jsonb(old) - '{wrong_guesses,consumed_at,family_id}'::text[])
     or new.wrong_guesses < old.wrong_guesses or old.consumed_at is not null and new is distinct from old then
    raise exception 'an authorization code is consumed once, and never changes otherwise'
      using errcode = 'integrity_constraint_violation', constraint = 'authorization_codes_fixed';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger authorization_codes_guard before update on authd.authorization_codes
  for each row execute function authd.guard_authorization_code();

-- What a person has allowed a client; of an earlier epoch of the client it counts no more.
create table authd.consents (
  subject      text collate "C" not null,
  client_id    text collate "C" not null,
  client_epoch bigint not null,
  scope        text[] not null,
  granted_at   timestamptz not null default authd.clock(),
  primary key (subject, client_id)
);

insert into authd.schema_versions (version, needs) values (5, 1);
