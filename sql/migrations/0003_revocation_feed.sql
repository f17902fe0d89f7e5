-- +goose Up

-- Whatever ends grants carries the transaction that ended it. Readers of the feed compare
-- it with the snapshot that they read last: a transaction that took its number early and
-- commits late is not missed, as it would be with a sequence or a time.
alter table authd.token_families add column revoked_xid xid8;
alter table authd.revoked_tokens add column revoked_xid xid8 not null default pg_current_xact_id();
alter table authd.subjects add column ended_xid xid8;
alter table authd.clients add column ended_xid xid8;
alter table authd.signing_keys add column revoked_xid xid8;

-- No rotation writes these columns: rotations stay HOT.
create index token_families_revoked_xid on authd.token_families (revoked_xid) where revoked_xid is not null;
create index token_families_revoked_at on authd.token_families (revoked_at) where revoked_at is not null;
create index revoked_tokens_revoked_xid on authd.revoked_tokens (revoked_xid);
create index subjects_ended_xid on authd.subjects (ended_xid) where ended_xid is not null;
create index clients_ended_xid on authd.clients (ended_xid) where ended_xid is not null;

-- By triggers, so that no statement can forget it, a host's or an operator's neither.
-- +goose StatementBegin
create function authd.stamp_revoked() returns trigger language plpgsql as $$
begin
  new.revoked_xid := pg_current_xact_id();
  return new;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function authd.stamp_ended() returns trigger language plpgsql as $$
begin
  new.ended_xid := pg_current_xact_id();
  return new;
end $$;
-- +goose StatementEnd
create trigger token_families_stamp before update of revoked_at on authd.token_families
  for each row when (old.revoked_at is null and new.revoked_at is not null) execute function authd.stamp_revoked();
create trigger signing_keys_stamp before update of revoked_at on authd.signing_keys
  for each row when (old.revoked_at is null and new.revoked_at is not null) execute function authd.stamp_revoked();
create trigger subjects_stamp_insert before insert on authd.subjects
  for each row when (new.ended_at is not null) execute function authd.stamp_ended();
create trigger subjects_stamp before update of ended_at on authd.subjects
  for each row when (new.ended_at is not null) execute function authd.stamp_ended();
create trigger clients_stamp before update of ended_at on authd.clients
  for each row when (new.ended_at is not null) execute function authd.stamp_ended();

-- Which database this is: a copy that goes on by itself has another timeline, and a dump
-- that is read into another one gets here by these files.
create table authd.incarnations (
  id         uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default clock_timestamp()
);
insert into authd.incarnations default values;

insert into authd.schema_versions (version, needs) values (3, 1);
