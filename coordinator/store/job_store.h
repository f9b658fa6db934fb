#pragma once

// coordinator/store: what a coordinator must not forget, in one SQLite file. Knows messages of the
// protocol, no rule about them. Only coordinator/ may depend on it. Guards: what Apply returned OK
// for survives the end of the process and of the machine, whole or not at all.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/store/file_lock.h"
#include "coordinator/store/sqlite.h"
#include "coordinator/store/store_contents.h"

namespace paci {

// Single-threaded. Errors name the file.
class JobStore {
 public:
  static constexpr size_t kMaxEvents = 10'000;

  // Makes the file if it is not there. FAILED_PRECONDITION: another coordinator uses it, it cannot
  // be written, it is of a newer version, or of something else. DATA_LOSS: it is damaged or no
  // database.
  static absl::StatusOr<std::unique_ptr<JobStore>> Open(const std::string& path);

  absl::StatusOr<StoreContents> Load();

  // One transaction, durable when this returns OK. After an error nothing of it is in the store. Of
  // a job's events the newest kMaxEvents are kept.
  absl::Status Apply(const StoreWrites& writes);

  // Of a job, with a larger sequence, oldest first, at most `limit`.
  absl::StatusOr<std::vector<v1::Event>> Events(const std::string& job_id, uint64_t after_sequence,
                                                size_t limit);
  // Of a job and later updates (nullopt: of all), by update; at most about `limit`, and never a
  // part of an update's points.
  absl::StatusOr<std::vector<v1::MetricPoint>> Points(const std::string& job_id,
                                                      std::optional<uint64_t> after_update,
                                                      size_t limit);
  // The newest of a job, oldest first.
  absl::StatusOr<std::vector<v1::Event>> LastEvents(const std::string& job_id, size_t limit);
  // Of a job, those of every `step`th update (>= 1), by update. Reads all of its keys.
  absl::StatusOr<std::vector<v1::MetricPoint>> SampledPoints(const std::string& job_id,
                                                             uint64_t step);

 private:
  JobStore(std::string path, FileLock lock, Database database);

  absl::Status PrepareSchema();
  absl::Status CheckSchema();
  absl::Status ApplyInTransaction(const StoreWrites& writes);
  absl::Status WriteEvents(const std::vector<v1::Event>& events);
  absl::Status ForgetOldEvents(const std::vector<v1::Event>& written);
  absl::Status WriteJobs(const std::vector<StoredJob>& jobs);
  absl::Status Cut(const std::vector<CutPoints>& cuts);
  absl::Status WritePoints(const std::vector<StoredPoint>& points);
  absl::Status DeleteJobs(const std::vector<std::string>& job_ids);

  const std::string path_;
  const FileLock lock_;
  Database database_;
};

}  // namespace paci
