#include "worker/agent/stage_connector.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace paci {
namespace {

// Beside the lanes of the pipeline, 0, and of a ring of two, 1.
constexpr uint8_t kCopyLane = 2;
constexpr uint8_t kRestoreLane = 3;

}  // namespace

StageConnector::StageConnector(const v1::PrepareStage& command, Transport* transport)
    : command_(command),
      stage_(command.key().stage()),
      stages_(command.spec().pipeline().stages()),
      deadline_(absl::Now() + absl::Seconds(command.connect_seconds())),
      options_{command.secret(), command.spec().pipeline().frame_checksums(),
               command.spec().pipeline().data_tls()},
      transport_(transport) {}

void StageConnector::Begin() {
  BeginPipeline();
  BeginCopies();
  BeginRestore();
}

void StageConnector::BeginPipeline() {
  // With several chunks a stage the pipeline is a ring, in which two stages have two links each
  // way.
  const bool is_ring = command_.assignments(static_cast<int>(stage_)).chunks_size() > 1;
  const bool is_first = stage_ == 0;
  const bool is_last = stage_ + 1 == stages_;
  if (!is_first || is_ring) {
    const uint32_t upstream = (stage_ + stages_ - 1) % stages_;
    Accept(
        upstream, is_first, Sort::kPipeline,
        [](StageLinks & links) -> auto& { return links.pipeline.activations_in; });
    Connect(
        upstream, is_first, Sort::kPipeline,
        [](StageLinks & links) -> auto& { return links.pipeline.gradients_out; });
  }
  if (!is_last || is_ring) {
    const uint32_t downstream = (stage_ + 1) % stages_;
    Accept(
        downstream, is_last, Sort::kPipeline,
        [](StageLinks & links) -> auto& { return links.pipeline.gradients_in; });
    Connect(
        downstream, is_last, Sort::kPipeline,
        [](StageLinks & links) -> auto& { return links.pipeline.activations_out; });
  }
}

void StageConnector::BeginCopies() {
  const bool replicates = command_.spec().recovery().replicate() == v1::REPLICATE_NEIGHBOUR;
  if (!replicates || stages_ < 2) return;
  Accept(
      KeptBy(stage_, stages_), kCopyLane, Sort::kPipeline,
      [](StageLinks & links) -> auto& { return links.copies_in; });
  Connect(
      KeeperOf(stage_, stages_), kCopyLane, Sort::kPipeline,
      [](StageLinks & links) -> auto& { return links.copies_out; });
}

void StageConnector::BeginRestore() {
  const auto is_restored = [&](uint32_t stage) {
    return command_.assignments(static_cast<int>(stage)).state() == v1::STATE_SOURCE_NEIGHBOUR;
  };
  if (is_restored(stage_)) {
    Accept(
        KeeperOf(stage_, stages_), kRestoreLane, Sort::kRestore,
        [](StageLinks & links) -> auto& { return links.restore_in; });
  }
  if (const uint32_t kept = KeptBy(stage_, stages_); is_restored(kept)) {
    Connect(
        kept, kRestoreLane, Sort::kRestore,
        [](StageLinks & links) -> auto& { return links.restore_out; });
  }
}

template <typename Slot>
auto StageConnector::Store(Sort sort, Slot slot) {
  {
    absl::MutexLock lock(&mutex_);
    ++pending_;
    if (sort == Sort::kRestore) ++pending_restores_;
  }
  return [this, sort, slot](auto channel) {
    absl::MutexLock lock(&mutex_);
    --pending_;
    if (sort == Sort::kRestore) --pending_restores_;
    if (channel.ok()) {
      slot(links_) = *std::move(channel);
    } else {
      failure_.Update(channel.status());
    }
  };
}

template <typename Slot>
void StageConnector::Accept(uint32_t from, uint8_t lane, Sort sort, Slot slot) {
  const LinkId link = {command_.key().job_id(), command_.key().generation(), from, stage_, lane};
  transport_->Accept(link, options_, deadline_, Store(sort, slot));
}

template <typename Slot>
void StageConnector::Connect(uint32_t to, uint8_t lane, Sort sort, Slot slot) {
  const LinkId link = {command_.key().job_id(), command_.key().generation(), stage_, to, lane};
  transport_->Connect(command_.assignments(static_cast<int>(to)).data_address(), link, options_,
                      deadline_, Store(sort, slot));
}

absl::Status StageConnector::AwaitLinks(bool restores_only) {
  const auto is_decided = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return (restores_only ? pending_restores_ : pending_) == 0 || !failure_.ok();
  };
  mutex_.Await(absl::Condition(&is_decided));
  return failure_;
}

absl::StatusOr<StageLinks> StageConnector::AwaitRestore() {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = AwaitLinks(/*restores_only=*/true); !status.ok()) return status;
  StageLinks restores;
  restores.restore_in = std::move(links_.restore_in);
  restores.restore_out = std::move(links_.restore_out);
  return restores;
}

absl::StatusOr<StageLinks> StageConnector::AwaitAll() {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = AwaitLinks(/*restores_only=*/false); !status.ok()) return status;
  return std::move(links_);
}

void StageConnector::Cancel(const absl::Status& reason) {
  {
    absl::MutexLock lock(&mutex_);
    failure_.Update(reason);
  }
  // Each link that is pending calls back before this returns.
  transport_->Cancel(command_.key().job_id(), command_.key().generation());
}

}  // namespace paci
