#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

// The little of SQLite that the store needs, with errors as Status: what was done, to which file,
// and what SQLite said. Single-threaded.

class Statement {
 public:
  // Parameters are numbered from 1.
  Statement& Bind(int index, absl::string_view blob);
  Statement& Bind(int index, uint64_t value);  // below 2^63
  Statement& BindText(int index, absl::string_view text);

  // True: there is a row to read.
  absl::StatusOr<bool> Step();
  // For a statement that returns nothing; it can be bound again afterwards.
  absl::Status Run();
  void Reset();

  // Of the row, columns numbered from 0.
  std::string Blob(int column) const;
  uint64_t Integer(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::string path_;
};

class Database {
 public:
  static absl::StatusOr<Database> Open(const std::string& path);

  absl::Status Execute(const char* sql);
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // The one integer that `sql` returns; 0 for no row.
  absl::StatusOr<uint64_t> QueryInteger(absl::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
  std::string path_;
};

}  // namespace paci
