-- +goose Up

-- Where a client wants to be told that a session has ended (OIDC Back-Channel Logout §2.2).
alter table authd.clients
  add column backchannel_logout_uri text not null default '',
  add column backchannel_logout_session_required boolean not null default false,
  add constraint clients_session_required_needs_uri
    check (backchannel_logout_uri <> '' or not backchannel_logout_session_required);

-- The clients that got ID tokens in a session and want to be told of its end. A row goes when
-- it has become a notice, or with a session that has expired.
create table authd.session_clients (
  session_id uuid not null,
  family_id  uuid not null, -- the sid of the ID tokens
  client_id  text collate "C" not null,
  subject    text collate "C" not null,
  primary key (session_id, family_id)
);
create index sessions_session_id on authd.sessions (session_id);

-- What clients have to be told and have not confirmed yet. Whoever delivers a notice moves
-- next_at ahead first, and names the attempt afterwards.
create table authd.logout_notices (
  id         bigint generated always as identity primary key,
  client_id  text collate "C" not null,
  subject    text collate "C" not null,
  family_id  uuid not null,
  attempts   integer not null default 0,
  next_at    timestamptz not null default authd.clock(),
  expires_at timestamptz not null default authd.clock() + interval '1 hour' -- not tried again after it
);
create index logout_notices_client on authd.logout_notices (client_id, next_at);

-- Volatile, so that it sees what others have committed while the caller waited for locks: the
-- clients of an exchange that came just before the end among them.
-- +goose StatementBegin
create function authd.queue_logout_notices(ended uuid[]) returns void language plpgsql as $$
begin
  with told as (
    delete from authd.session_clients p where p.session_id = any (ended)
    returning p.client_id, p.subject, p.family_id
  )
  insert into authd.logout_notices (client_id, subject, family_id)
  select t.client_id, t.subject, t.family_id from told t;
end $$;
-- +goose StatementEnd

-- Whatever statement ends sessions, their clients' notices are of the same transaction. A
-- session whose cookie changes is deleted and inserted with its session_id in one statement,
-- and has not ended. One that has expired was not ended by anybody: its clients are not told.
-- +goose StatementBegin
create function authd.end_sessions() returns trigger language plpgsql as $$
declare
  ended uuid[] := array(
    select distinct p.session_id from authd.session_clients p
    where p.session_id = any (array(select g.session_id from gone g)));
begin
  if ended = '{}' then
    return null;
  end if;
  ended := array(select unnest(ended) except select s.session_id from authd.sessions s where s.session_id = any (ended));
  perform authd.queue_logout_notices(array(
    select g.session_id from gone g where g.session_id = any (ended) and g.expires_at > authd.clock()));
  delete from authd.session_clients p where p.session_id = any (ended);
  return null;
end $$;
-- +goose StatementEnd
create trigger sessions_end after delete on authd.sessions
  referencing old table as gone for each statement execute function authd.end_sessions();

-- An epoch ends the sessions of its subject without touching them. As a deletion does, it
-- waits for codes of them that are being exchanged, so that it sees their clients, and lets
-- none begin; but not for long: to end a subject must not depend on anybody.
-- +goose StatementBegin
create function authd.end_sessions_of_subject() returns trigger language plpgsql set lock_timeout = '2s' as $$
begin
  begin
    perform 1 from authd.sessions s where s.subject = new.subject order by s.sha256 for update;
  exception when lock_not_available or deadlock_detected then
    null;
  end;
  perform authd.queue_logout_notices(array(
    select s.session_id from authd.sessions s where s.subject = new.subject and s.expires_at > authd.clock()));
  return null;
end $$;
-- +goose StatementEnd
create trigger subjects_end_sessions after insert or update of epoch on authd.subjects
  for each row when (new.epoch > 0) execute function authd.end_sessions_of_subject();

insert into authd.schema_versions (version, needs) values (8, 1);
