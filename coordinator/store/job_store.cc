#include "coordinator/store/job_store.h"

#include <set>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace paci {
namespace {

// Marks the file as ours: "paci". PRAGMA user_version is the schema's.
constexpr uint64_t kApplicationId = 0x70616369;
constexpr uint64_t kSchemaVersion = 1;

// AUTOINCREMENT: the numbers of deleted jobs and events are never used again. Columns beside the
// serialized messages are for people with a sqlite3 prompt and for the primary keys.
constexpr char kSchema[] = R"sql(
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  settled_update INTEGER NOT NULL,
  pending_commit BLOB NOT NULL,
  job BLOB NOT NULL
) STRICT;
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL,
  type TEXT NOT NULL,
  reason TEXT NOT NULL,
  event BLOB NOT NULL
) STRICT;
CREATE INDEX events_of_job ON events (job_id, sequence);
CREATE TABLE points (
  job_id TEXT NOT NULL,
  "update" INTEGER NOT NULL,
  is_validation INTEGER NOT NULL,
  point BLOB NOT NULL,
  PRIMARY KEY (job_id, "update", is_validation)
) STRICT, WITHOUT ROWID;
)sql";

// Reads the rows of `statement` as serialized messages in column 0.
template <typename Message>
absl::StatusOr<std::vector<Message>> ReadAll(Statement& statement, const std::string& path) {
  std::vector<Message> messages;
  for (;;) {
    const absl::StatusOr<bool> row = statement.Step();
    if (!row.ok()) return row.status();
    if (!*row) return messages;
    if (!messages.emplace_back().ParseFromString(statement.Blob(0))) {
      return absl::DataLossError(absl::StrCat("store ", path, ": a ",
                                              std::string(Message::descriptor()->name()),
                                              " in it cannot be read"));
    }
  }
}

}  // namespace

JobStore::JobStore(std::string path, FileLock lock, Database database)
    : path_(std::move(path)), lock_(std::move(lock)), database_(std::move(database)) {}

absl::StatusOr<std::unique_ptr<JobStore>> JobStore::Open(const std::string& path) {
  // SQLite would keep these in memory.
  if (path.empty() || path[0] == ':') {
    return absl::InvalidArgumentError(
        absl::StrCat("store \"", path, "\": expected the name of a file"));
  }
  absl::StatusOr<FileLock> lock = FileLock::Take(absl::StrCat(path, ".lock"));
  if (!lock.ok()) {
    const bool is_taken = absl::IsFailedPrecondition(lock.status());
    return absl::Status(
        lock.status().code(),
        absl::StrCat("store ", path, is_taken ? " is used by another coordinator: " : ": ",
                     lock.status().message()));
  }
  absl::StatusOr<Database> database = Database::Open(path);
  if (!database.ok()) return database.status();
  auto store = absl::WrapUnique(new JobStore(path, *std::move(lock), *std::move(database)));
  if (absl::Status ready = store->PrepareSchema(); !ready.ok()) return ready;
  return store;
}

absl::Status JobStore::PrepareSchema() {
  if (absl::Status status = CheckSchema(); !status.ok()) return status;
  // WAL: a transaction is one sequential write. FULL: and one fsync, without which the machine's
  // end could take back a transaction that a worker was told is stored, and dropped its records
  // for.
  for (const char* pragma : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"}) {
    if (absl::Status status = database_.Execute(pragma); !status.ok()) return status;
  }
  const absl::StatusOr<uint64_t> version = database_.QueryInteger("PRAGMA user_version");
  if (!version.ok() || *version == kSchemaVersion) return version.status();
  const std::string create =
      absl::StrCat("BEGIN IMMEDIATE;", kSchema, "PRAGMA application_id = ", kApplicationId,
                   "; PRAGMA user_version = ", kSchemaVersion, "; COMMIT");
  return database_.Execute(create.c_str());
}

// Before anything is written: the file is empty, or ours and not newer.
absl::Status JobStore::CheckSchema() {
  const absl::StatusOr<uint64_t> version = database_.QueryInteger("PRAGMA user_version");
  if (!version.ok()) return version.status();
  const absl::StatusOr<uint64_t> application = database_.QueryInteger("PRAGMA application_id");
  if (!application.ok()) return application.status();
  const absl::StatusOr<uint64_t> tables =
      database_.QueryInteger("SELECT COUNT(*) FROM sqlite_schema");
  if (!tables.ok()) return tables.status();
  if (*application != kApplicationId && *tables > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "store ", path_, " is a database of another program; expected a new file or a paci store"));
  }
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("store ", path_, " has schema version ", *version,
                     ", and this coordinator knows versions up to ", kSchemaVersion,
                     "; start a newer paci-coordinator on it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<StoreContents> JobStore::Load() {
  StoreContents contents;
  absl::StatusOr<Statement> jobs = database_.Prepare(
      "SELECT job, number, request_id, settled_update, pending_commit FROM jobs ORDER BY number");
  if (!jobs.ok()) return jobs.status();
  for (;;) {
    const absl::StatusOr<bool> row = jobs->Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    StoredJob& job = contents.jobs.emplace_back();
    if (!job.job.ParseFromString(jobs->Blob(0))) {
      return absl::DataLossError(
          absl::StrCat("store ", path_, ": job number ", jobs->Integer(1), " cannot be read"));
    }
    job.number = jobs->Integer(1);
    job.request_id = jobs->Blob(2);
    job.settled_update = jobs->Integer(3);
    job.pending_commit = jobs->Blob(4);
  }
  const absl::StatusOr<uint64_t> last_job =
      database_.QueryInteger("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'");
  if (!last_job.ok()) return last_job.status();
  const absl::StatusOr<uint64_t> last_event =
      database_.QueryInteger("SELECT seq FROM sqlite_sequence WHERE name = 'events'");
  if (!last_event.ok()) return last_event.status();
  contents.next_job_number = *last_job + 1;
  contents.next_event_sequence = *last_event + 1;
  return contents;
}

absl::Status JobStore::Apply(const StoreWrites& writes) {
  if (writes.empty()) return absl::OkStatus();
  if (absl::Status begun = database_.Execute("BEGIN IMMEDIATE"); !begun.ok()) return begun;
  absl::Status status = ApplyInTransaction(writes);
  if (status.ok()) status = database_.Execute("COMMIT");
  // Fails when the error has rolled back already; either way nothing is left of it.
  if (!status.ok()) (void)database_.Execute("ROLLBACK");
  return status;
}

absl::Status JobStore::ApplyInTransaction(const StoreWrites& writes) {
  absl::Status status = WriteEvents(writes.events);
  if (status.ok()) status = WriteJobs(writes.jobs);
  if (status.ok()) status = Cut(writes.cut_points);
  if (status.ok()) status = WritePoints(writes.points);
  if (status.ok()) status = DeleteJobs(writes.deleted_jobs);
  return status;
}

absl::Status JobStore::WriteEvents(const std::vector<v1::Event>& events) {
  if (events.empty()) return absl::OkStatus();
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT INTO events (sequence, job_id, type, reason, event) VALUES (?1, ?2, ?3, ?4, ?5)");
  if (!insert.ok()) return insert.status();
  for (const v1::Event& event : events) {
    insert->Bind(1, event.sequence()).BindText(2, event.job_id()).BindText(3, event.type());
    insert->BindText(4, event.reason()).Bind(5, event.SerializeAsString());
    if (absl::Status status = insert->Run(); !status.ok()) return status;
  }
  return ForgetOldEvents(events);
}

absl::Status JobStore::ForgetOldEvents(const std::vector<v1::Event>& written) {
  std::set<std::string> job_ids;
  for (const v1::Event& event : written) job_ids.insert(event.job_id());
  absl::StatusOr<Statement> remove = database_.Prepare(
      "DELETE FROM events WHERE job_id = ?1 AND sequence <= (SELECT sequence FROM events "
      "WHERE job_id = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)");
  if (!remove.ok()) return remove.status();
  for (const std::string& id : job_ids) {
    const absl::Status status = remove->BindText(1, id).Bind(2, uint64_t{kMaxEvents}).Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JobStore::WriteJobs(const std::vector<StoredJob>& jobs) {
  if (jobs.empty()) return absl::OkStatus();
  absl::StatusOr<Statement> upsert = database_.Prepare(
      "INSERT INTO jobs (number, id, state, request_id, settled_update, pending_commit, job) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (number) DO UPDATE SET state = ?3, "
      "settled_update = ?5, pending_commit = ?6, job = ?7");
  if (!upsert.ok()) return upsert.status();
  for (const StoredJob& job : jobs) {
    upsert->Bind(1, job.number).BindText(2, job.job.id());
    upsert->Bind(3, uint64_t{static_cast<uint32_t>(job.job.state())});
    upsert->BindText(4, job.request_id).Bind(5, job.settled_update).Bind(6, job.pending_commit);
    upsert->Bind(7, job.job.SerializeAsString());
    if (absl::Status status = upsert->Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JobStore::Cut(const std::vector<CutPoints>& cuts) {
  if (cuts.empty()) return absl::OkStatus();
  absl::StatusOr<Statement> remove =
      database_.Prepare("DELETE FROM points WHERE job_id = ?1 AND \"update\" > ?2");
  if (!remove.ok()) return remove.status();
  for (const CutPoints& cut : cuts) {
    remove->BindText(1, cut.job_id).Bind(2, cut.after_update);
    if (absl::Status status = remove->Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JobStore::WritePoints(const std::vector<StoredPoint>& points) {
  if (points.empty()) return absl::OkStatus();
  absl::StatusOr<Statement> upsert = database_.Prepare(
      "INSERT OR REPLACE INTO points (job_id, \"update\", is_validation, point) "
      "VALUES (?1, ?2, ?3, ?4)");
  if (!upsert.ok()) return upsert.status();
  for (const StoredPoint& stored : points) {
    upsert->BindText(1, stored.job_id).Bind(2, stored.point.update());
    upsert->Bind(3, uint64_t{stored.point.has_validation_loss()});
    upsert->Bind(4, stored.point.SerializeAsString());
    if (absl::Status status = upsert->Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JobStore::DeleteJobs(const std::vector<std::string>& job_ids) {
  for (const std::string& id : job_ids) {
    for (const char* sql :
         {"DELETE FROM jobs WHERE id = ?1", "DELETE FROM events WHERE job_id = ?1",
          "DELETE FROM points WHERE job_id = ?1"}) {
      absl::StatusOr<Statement> remove = database_.Prepare(sql);
      if (!remove.ok()) return remove.status();
      if (absl::Status status = remove->BindText(1, id).Run(); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Event>> JobStore::Events(const std::string& job_id,
                                                        uint64_t after_sequence, size_t limit) {
  absl::StatusOr<Statement> select = database_.Prepare(
      "SELECT event FROM events WHERE job_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3");
  if (!select.ok()) return select.status();
  select->BindText(1, job_id).Bind(2, after_sequence).Bind(3, uint64_t{limit});
  return ReadAll<v1::Event>(*select, path_);
}

absl::StatusOr<std::vector<v1::Event>> JobStore::LastEvents(const std::string& job_id,
                                                            size_t limit) {
  absl::StatusOr<Statement> select = database_.Prepare(
      "SELECT event FROM (SELECT sequence, event FROM events WHERE job_id = ?1 "
      "ORDER BY sequence DESC LIMIT ?2) ORDER BY sequence");
  if (!select.ok()) return select.status();
  select->BindText(1, job_id).Bind(2, uint64_t{limit});
  return ReadAll<v1::Event>(*select, path_);
}

absl::StatusOr<std::vector<v1::MetricPoint>> JobStore::SampledPoints(const std::string& job_id,
                                                                     uint64_t step) {
  absl::StatusOr<Statement> select = database_.Prepare(
      "SELECT point FROM points WHERE job_id = ?1 AND \"update\" % ?2 = 0 "
      "ORDER BY \"update\", is_validation");
  if (!select.ok()) return select.status();
  select->BindText(1, job_id).Bind(2, step);
  return ReadAll<v1::MetricPoint>(*select, path_);
}

absl::StatusOr<std::vector<v1::MetricPoint>> JobStore::Points(const std::string& job_id,
                                                              std::optional<uint64_t> after_update,
                                                              size_t limit) {
  // Updates below the one that begins row `limit`; everything if there are fewer rows.
  absl::StatusOr<Statement> select = database_.Prepare(
      "SELECT point FROM points WHERE job_id = ?1 AND \"update\" >= ?2 AND \"update\" < "
      "COALESCE((SELECT \"update\" FROM points WHERE job_id = ?1 AND \"update\" >= ?2 "
      "ORDER BY \"update\", is_validation LIMIT 1 OFFSET ?3), 9223372036854775807) "
      "ORDER BY \"update\", is_validation");
  if (!select.ok()) return select.status();
  const uint64_t first = after_update ? *after_update + 1 : 0;
  select->BindText(1, job_id).Bind(2, first).Bind(3, uint64_t{limit});
  return ReadAll<v1::MetricPoint>(*select, path_);
}

}  // namespace paci
