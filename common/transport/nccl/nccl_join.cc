#include "common/transport/nccl/nccl_join.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace paci {
namespace {

constexpr std::chrono::milliseconds kPollInterval(1);

}  // namespace

template <typename Control>
NcclJoin<Control>::NcclJoin(NcclLink link, absl::Time deadline, std::function<void(Made)> done)
    : link_(std::move(link)),
      deadline_(deadline),
      done_(std::move(done)),
      timer_(link_.io->context()) {}

template <typename Control>
void NcclJoin<Control>::OnControl(absl::StatusOr<std::unique_ptr<Control>> control) {
  if (is_over()) return;
  if (!control.ok()) return Fail(control.status());
  control_ = *std::move(control);
  auto queue = StreamQueue::Make(link_.cuda, link_.io->context());
  if (!queue.ok()) return Fail(queue.status());
  link_.queue = *std::move(queue);
  if constexpr (kIsSender) {
    if (absl::Status sent = SendId(); !sent.ok()) return Fail(sent);
    JoinComm();
  } else {
    ReceiveId();
  }
}

template <typename Control>
absl::Status NcclJoin<Control>::SendId() {
  const absl::StatusOr<NcclId> id = link_.nccl->MakeId();
  if (!id.ok()) return id.status();
  comm_id_ = *id;
  if constexpr (kIsSender) {
    control_->Send(ControlTag(0), comm_id_,
                   [self = this->shared_from_this()](const absl::Status& status) {
                     if (status.ok()) return;
                     self->link_.io->Post([self, status] { self->Fail(status); });
                   });
  }
  return absl::OkStatus();
}

template <typename Control>
void NcclJoin<Control>::ReceiveId() {
  if constexpr (!kIsSender) {
    control_->Receive(ControlTag(0), absl::MakeSpan(comm_id_),
                      [self = this->shared_from_this()](const absl::Status& status) {
                        self->link_.io->Post([self, status] {
                          if (self->is_over()) return;
                          if (!status.ok()) return self->Fail(status);
                          self->ReceiveJoined();
                          self->JoinComm();
                        });
                      });
    // The peer may never say it.
    Poll();
  }
}

template <typename Control>
void NcclJoin<Control>::ReceiveJoined() {
  if constexpr (!kIsSender) {
    control_->Receive(ControlTag(1), {}, [self = this->shared_from_this()](const absl::Status& s) {
      self->link_.io->Post([self, s] {
        if (!s.ok()) return self->Fail(s);
        self->has_peer_joined_ = true;
      });
    });
  }
}

template <typename Control>
void NcclJoin<Control>::JoinComm() {
  const absl::StatusOr<NcclComm> comm = link_.nccl->Join(comm_id_, kIsSender ? 0 : 1);
  if (!comm.ok()) return Fail(comm.status());
  link_.comm = *comm;
  Poll();
}

template <typename Control>
void NcclJoin<Control>::Poll() {
  absl::Status alive = control_->status();
  bool is_joined = false;
  if (alive.ok() && link_.comm != nullptr) {
    const absl::StatusOr<NcclApi::Progress> progress = link_.nccl->Poll(link_.comm);
    alive = progress.status();
    is_joined = progress.ok() && *progress == NcclApi::Progress::kDone && has_peer_joined_;
  }
  if (alive.ok() && !is_joined && absl::Now() > deadline_) {
    alive = absl::DeadlineExceededError(
        absl::StrCat("the peer of the link of ", ToString(link_.id),
                     " is there, but NCCL did not join its GPU: ",
                     "see NCCL_SOCKET_IFNAME and NCCL_DEBUG in both workers' environments"));
  }
  if (!alive.ok()) return Fail(alive);
  if (is_joined) return Succeed();
  timer_.expires_after(kPollInterval);
  timer_.async_wait([self = this->shared_from_this()](const std::error_code& error) {
    if (!error && !self->is_over()) self->Poll();
  });
}

template <typename Control>
void NcclJoin<Control>::Succeed() {
  timer_.cancel();
  if constexpr (kIsSender) {
    // That it could not be sent is noticed with the first frame.
    control_->Send(ControlTag(1), {}, [](const absl::Status&) {});
  }
  auto end = std::make_shared<NcclEnd<Control>>(link_, std::move(control_));
  end->Start();
  std::exchange(done_, nullptr)(std::move(end));
}

template <typename Control>
void NcclJoin<Control>::Fail(const absl::Status& status) {
  if (is_over()) return;
  timer_.cancel();
  if (link_.comm != nullptr) link_.nccl->Abort(link_.comm);
  control_.reset();
  std::exchange(done_, nullptr)(status);
}

template class NcclJoin<SendChannel>;
template class NcclJoin<ReceiveChannel>;

}  // namespace paci
