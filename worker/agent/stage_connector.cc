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

DataPath DataPathOf(const v1::PrepareStage& command, uint32_t stage, uint32_t other) {
  const v1::JobSpec& spec = command.spec();
  if (spec.train().device() != "cuda" || spec.has_emulation()) return DataPath::kHost;
  const std::string& gpu = command.assignments(static_cast<int>(stage)).gpu_id();
  const std::string& other_gpu = command.assignments(static_cast<int>(other)).gpu_id();
  const bool can_join = !gpu.empty() && !other_gpu.empty() && gpu != other_gpu;
  const bool wants_nccl =
      spec.pipeline().gpu_transport() != v1::GPU_TRANSPORT_HOST && !spec.pipeline().data_tls();
  return can_join && wants_nccl ? DataPath::kNccl : DataPath::kStaged;
}

StageConnector::StageConnector(const v1::PrepareStage& command, const Transports& transports)
    : command_(command),
      stage_(command.key().stage()),
      stages_(command.spec().pipeline().stages()),
      deadline_(absl::Now() + absl::Seconds(command.connect_seconds())),
      options_{command.secret(), command.spec().pipeline().frame_checksums(),
               command.spec().pipeline().data_tls()},
      transports_(transports) {}

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

absl::StatusOr<Transport*> StageConnector::TransportTo(uint32_t peer, Sort sort,
                                                       uint8_t lane) const {
  // Copies of a state lie in memory of the host.
  if (sort == Sort::kRestore || lane == kCopyLane) return transports_.host;
  Transport* transport = transports_.host;
  switch (DataPathOf(command_, stage_, peer)) {
    case DataPath::kHost:
      break;
    case DataPath::kStaged:
      transport = transports_.staged;
      break;
    case DataPath::kNccl:
      transport = transports_.nccl;
      break;
  }
  if (transport != nullptr) return transport;
  return absl::FailedPreconditionError(
      absl::StrCat("stage ", stage_, " of job ", command_.key().job_id(),
                   " is to compute on a GPU, and this worker has none: see paci-worker --device"));
}

template <typename Slot>
void StageConnector::Accept(uint32_t from, uint8_t lane, Sort sort, Slot slot) {
  const LinkId link = {command_.key().job_id(), command_.key().generation(), from, stage_, lane};
  auto store = Store(sort, slot);
  const absl::StatusOr<Transport*> transport = TransportTo(from, sort, lane);
  if (!transport.ok()) {
    return store(absl::StatusOr<std::unique_ptr<ReceiveChannel>>(transport.status()));
  }
  (*transport)->Accept(link, options_, deadline_, std::move(store));
}

template <typename Slot>
void StageConnector::Connect(uint32_t to, uint8_t lane, Sort sort, Slot slot) {
  const LinkId link = {command_.key().job_id(), command_.key().generation(), stage_, to, lane};
  auto store = Store(sort, slot);
  const absl::StatusOr<Transport*> transport = TransportTo(to, sort, lane);
  if (!transport.ok()) {
    return store(absl::StatusOr<std::unique_ptr<SendChannel>>(transport.status()));
  }
  (*transport)
      ->Connect(command_.assignments(static_cast<int>(to)).data_address(), link, options_,
                deadline_, std::move(store));
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
  // Each link that is pending calls back before this returns. The others are on the host's.
  for (Transport* transport : {transports_.nccl, transports_.staged, transports_.host}) {
    if (transport == nullptr) continue;
    transport->Cancel(command_.key().job_id(), command_.key().generation());
  }
}

}  // namespace paci
