#include "coordinator/job/registry.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/timestamp.h"

namespace paci {
namespace {

absl::string_view LeadingDigits(absl::string_view text) {
  size_t end = 0;
  while (end < text.size() && absl::ascii_isdigit(text[end])) ++end;
  return text.substr(0, end);
}

absl::string_view WithoutZeros(absl::string_view digits) {
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return digits;
}

v1::WorkerState StateOf(const WorkerRecord& worker) {
  if (!worker.is_connected()) return v1::WORKER_STATE_LOST;
  if (worker.is_leaving) return v1::WORKER_STATE_DRAINING;
  if (worker.holds || worker.releasing) return v1::WORKER_STATE_BUSY;
  return v1::WORKER_STATE_IDLE;
}

}  // namespace

bool ComesBefore(absl::string_view a, absl::string_view b) {
  while (!a.empty() && !b.empty()) {
    const absl::string_view digits_a = LeadingDigits(a);
    const absl::string_view digits_b = LeadingDigits(b);
    if (!digits_a.empty() && !digits_b.empty()) {
      const absl::string_view number_a = WithoutZeros(digits_a);
      const absl::string_view number_b = WithoutZeros(digits_b);
      if (number_a.size() != number_b.size()) return number_a.size() < number_b.size();
      if (number_a != number_b) return number_a < number_b;
      a.remove_prefix(digits_a.size());
      b.remove_prefix(digits_b.size());
      continue;
    }
    if (a.front() != b.front()) return a.front() < b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() < b.size();
}

WorkerRecord& Registry::Connect(StreamId stream, const v1::Hello& hello, absl::Time now) {
  for (auto it = workers_.begin(); it != workers_.end();) {
    const WorkerRecord& other = it->second;
    const bool is_predecessor = other.name == hello.worker_name() &&
                                other.id != hello.worker_id() && !other.is_connected() &&
                                !other.holds;
    it = is_predecessor ? workers_.erase(it) : std::next(it);
  }
  WorkerRecord& worker = workers_[hello.worker_id()];
  Disconnect(worker);
  worker.id = hello.worker_id();
  worker.name = hello.worker_name();
  worker.info = hello.info();
  worker.stream = stream;
  worker.connected = worker.last_seen = now;
  worker.knows_it_leaves = false;
  worker_of_stream_[stream] = worker.id;
  return worker;
}

void Registry::Disconnect(WorkerRecord& worker) {
  worker_of_stream_.erase(worker.stream);
  worker.stream = 0;
  // What was in flight on the stream is lost with it.
  worker.release_in_flight.reset();
}

void Registry::Forget(const std::string& id) {
  if (WorkerRecord* worker = Find(id)) Disconnect(*worker);
  workers_.erase(id);
}

WorkerRecord* Registry::Find(const std::string& id) {
  const auto it = workers_.find(id);
  return it == workers_.end() ? nullptr : &it->second;
}

WorkerRecord* Registry::FindByStream(StreamId stream) {
  const auto it = worker_of_stream_.find(stream);
  return it == worker_of_stream_.end() ? nullptr : Find(it->second);
}

absl::StatusOr<WorkerRecord*> Registry::FindByIdOrName(const std::string& id_or_name) {
  if (WorkerRecord* worker = Find(id_or_name)) return worker;
  WorkerRecord* found = nullptr;
  for (auto& [id, worker] : workers_) {
    if (worker.name != id_or_name) continue;
    if (found != nullptr && found->is_connected() && worker.is_connected()) {
      return absl::FailedPreconditionError(absl::StrCat("more than one worker is called ",
                                                        id_or_name, ": say the id, such as ", id));
    }
    if (found == nullptr || worker.is_connected()) found = &worker;
  }
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("no worker has the id or name \"", id_or_name, "\""));
  }
  return found;
}

std::vector<WorkerRecord*> Registry::Free(absl::string_view device) {
  std::vector<WorkerRecord*> free;
  for (auto& [id, worker] : workers_) {
    if (worker.is_free() && worker.info.device() == device) free.push_back(&worker);
  }
  std::stable_sort(free.begin(), free.end(), [](const WorkerRecord* a, const WorkerRecord* b) {
    return ComesBefore(a->name, b->name);
  });
  return free;
}

size_t Registry::CountUsable(absl::string_view device) const {
  return std::count_if(workers_.begin(), workers_.end(), [&](const auto& entry) {
    const WorkerRecord& worker = entry.second;
    return worker.is_connected() && !worker.is_leaving && worker.info.device() == device;
  });
}

v1::Worker ToProto(const WorkerRecord& worker) {
  v1::Worker proto;
  proto.set_id(worker.id);
  proto.set_name(worker.name);
  proto.set_state(StateOf(worker));
  *proto.mutable_info() = worker.info;
  if (const auto& stage = worker.holds ? worker.holds : worker.releasing; stage.has_value()) {
    proto.set_job_id(stage->job_id());
    proto.set_stage(stage->stage());
  }
  *proto.mutable_connected() = ToTimestamp(worker.connected);
  *proto.mutable_last_seen() = ToTimestamp(worker.last_seen);
  return proto;
}

}  // namespace paci
