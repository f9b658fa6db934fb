#include "coordinator/store/sqlite.h"

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

absl::StatusCode CodeOf(int result) {
  switch (result & 0xff) {
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status Error(sqlite3* database, int result, absl::string_view what, const std::string& path) {
  // The database knows details that the code alone does not; without one there is only the code.
  const char* said = database == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(database);
  return absl::Status(CodeOf(result), absl::StrCat("store ", path, ": ", what, ": ", said));
}

}  // namespace

Statement& Statement::Bind(int index, absl::string_view blob) {
  // A null pointer would bind NULL.
  sqlite3_bind_blob64(statement_.get(), index, blob.empty() ? "" : blob.data(), blob.size(),
                      SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::Bind(int index, uint64_t value) {
  sqlite3_bind_int64(statement_.get(), index, static_cast<sqlite3_int64>(value));
  return *this;
}

Statement& Statement::BindText(int index, absl::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, text.empty() ? "" : text.data(), text.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return Error(sqlite3_db_handle(statement_.get()), result,
               absl::StrCat("\"", sqlite3_sql(statement_.get()), "\" failed"), path_);
}

absl::Status Statement::Run() {
  const absl::StatusOr<bool> row = Step();
  Reset();
  return row.status();
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::string Statement::Blob(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? "" : std::string(static_cast<const char*>(data), size);
}

uint64_t Statement::Integer(int column) const {
  return static_cast<uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

absl::StatusOr<Database> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database;
  database.database_.reset(handle);
  database.path_ = path;
  if (result != SQLITE_OK) return Error(handle, result, "it cannot be opened", path);
  sqlite3_extended_result_codes(handle, 1);
  // A reader, such as a backup, may hold a lock for a moment.
  sqlite3_busy_timeout(handle, 5000);
  return database;
}

absl::Status Database::Execute(const char* sql) {
  const int result = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (result == SQLITE_OK) return absl::OkStatus();
  return Error(database_.get(), result, absl::StrCat("\"", sql, "\" failed"), path_);
}

absl::StatusOr<Statement> Database::Prepare(absl::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const int result = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (result != SQLITE_OK) {
    return Error(database_.get(), result, absl::StrCat("\"", sql, "\" is not understood"), path_);
  }
  Statement statement;
  statement.statement_.reset(handle);
  statement.path_ = path_;
  return statement;
}

absl::StatusOr<uint64_t> Database::QueryInteger(absl::string_view sql) {
  absl::StatusOr<Statement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Integer(0) : 0;
}

}  // namespace paci
