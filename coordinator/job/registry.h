#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "coordinator/job/records.h"

namespace paci {

// The workers that have said hello: who is connected, who is free, whose lease ran out.
// Single-threaded. Records stay where they are until Forget.
class Registry {
 public:
  // The record of the process that says hello on `stream`; new if it is unknown. A lost worker of
  // the same name that holds nothing makes room for its successor.
  WorkerRecord& Connect(StreamId stream, const v1::Hello& hello, absl::Time now);
  void Disconnect(WorkerRecord& worker);
  void Forget(const std::string& id);

  WorkerRecord* Find(const std::string& id);
  WorkerRecord* FindByStream(StreamId stream);
  // By id or name. NOT_FOUND; FAILED_PRECONDITION when several connected workers share the name.
  absl::StatusOr<WorkerRecord*> FindByIdOrName(const std::string& id_or_name);

  // Free workers of a device, by name.
  std::vector<WorkerRecord*> Free(absl::string_view device);
  // Workers of a device that could be given a stage once they are free.
  size_t CountUsable(absl::string_view device) const;

  const std::map<std::string, WorkerRecord>& workers() const { return workers_; }
  std::map<std::string, WorkerRecord>& workers() { return workers_; }

 private:
  std::map<std::string, WorkerRecord> workers_;  // by id
  std::map<StreamId, std::string> worker_of_stream_;
};

v1::Worker ToProto(const WorkerRecord& worker);

// Names in the order people count in: w2 before w10.
bool ComesBefore(absl::string_view a, absl::string_view b);

}  // namespace paci
