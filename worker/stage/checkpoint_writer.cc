#include "worker/stage/checkpoint_writer.h"

#include <pthread.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

uint64_t BytesOf(const v1::CheckpointPart& part) {
  uint64_t bytes = 0;
  for (const v1::CheckpointFile& file : part.files()) bytes += file.size_bytes();
  return bytes;
}

}  // namespace

absl::Status CheckpointWriter::Begin(const Remarks& remarks) {
  const Clock::time_point due = Clock::now();
  Await();
  const Clock::time_point begun = Clock::now();
  if (absl::Status copied = compute_->Snapshot(remarks.update); !copied.ok()) return copied;
  const Stall stall = {SecondsBetween(due, begun), SecondsBetween(begun, Clock::now())};
  thread_ = std::thread([=, this] { Write(remarks, stall); });
  pthread_setname_np(thread_.native_handle(), "paci-checkpoint");
  return absl::OkStatus();
}

void CheckpointWriter::Await() {
  if (thread_.joinable()) thread_.join();
}

void CheckpointWriter::Write(const Remarks& remarks, const Stall& stall) {
  const Clock::time_point begun = Clock::now();
  absl::StatusOr<v1::CheckpointPart> part = compute_->WriteSnapshot(monitor_->settled_update());
  if (part.ok()) {
    LogInfo("wrote a part of a checkpoint",
            {{"update", remarks.update},
             {"bytes", BytesOf(*part)},
             {"wait_seconds", stall.wait_seconds},
             {"copy_seconds", stall.copy_seconds},
             {"write_seconds", SecondsBetween(begun, Clock::now())}});
  } else {
    const std::string error = part.status().ToString();
    LogWarning("cannot write a part of a checkpoint", {{"update", remarks.update}, {"why", error}});
    part = v1::CheckpointPart();
    part->set_error(error);
  }
  part->set_update(remarks.update);
  if (remarks.drift) part->set_drift(*remarks.drift);
  if (remarks.validation_loss) part->set_validation_loss(*remarks.validation_loss);
  monitor_->OnCheckpoint(*std::move(part));
}

}  // namespace paci
