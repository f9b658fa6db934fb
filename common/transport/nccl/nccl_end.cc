#include "common/transport/nccl/nccl_end.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr std::chrono::microseconds kPollInterval(50);
constexpr std::chrono::milliseconds kWatchInterval(20);

}  // namespace

template <typename Control>
NcclEnd<Control>::NcclEnd(NcclLink link, std::unique_ptr<Control> control)
    : link_(std::move(link)),
      control_(std::move(control)),
      issuing_timer_(link_.io->context()),
      watch_timer_(link_.io->context()) {}

template <typename Control>
void NcclEnd<Control>::Start() {
  if constexpr (!kIsSender) AwaitAnnouncement();
  Watch();
}

template <typename Control>
void NcclEnd<Control>::Watch() {
  absl::Status alive = control_->status();
  if (alive.ok() && !is_issuing_) alive = link_.nccl->Poll(link_.comm).status();
  if (!alive.ok()) return Close(alive);
  watch_timer_.expires_after(kWatchInterval);
  watch_timer_.async_wait([self = this->shared_from_this()](const std::error_code& error) {
    if (!error && self->closed_.ok()) self->Watch();
  });
}

template <typename Control>
template <typename Then>
auto NcclEnd<Control>::OnControl(Then then) {
  return [self = this->shared_from_this(), then = std::move(then)](const absl::Status& status) {
    self->link_.io->Post([self, then, status] {
      if (!self->closed_.ok()) return;
      if (!status.ok()) return self->Close(status);
      then(*self);
    });
  };
}

template <typename Control>
void NcclEnd<Control>::Add(FrameTag tag, absl::Span<std::byte> bytes,
                           const std::shared_ptr<ComputeMark>& mark, TransferDone done) {
  if (!closed_.ok()) return done(closed_);
  auto transfer = std::make_shared<Transfer>();
  transfer->tag = tag;
  transfer->bytes = bytes;
  transfer->mark = mark;
  transfer->done = std::move(done);
  transfers_.push_back(transfer);
  if constexpr (kIsSender) {
    Announce(transfer);
  } else {
    MatchAnnouncement();
  }
  Issue();
}

template <typename Control>
void NcclEnd<Control>::Announce(const TransferPtr& transfer) {
  if constexpr (kIsSender) {
    transfer->announcement =
        EncodeFrameHeader({transfer->tag, transfer->bytes.size(), /*has_checksum=*/false});
    control_->Send(ControlTag(++announcements_), transfer->announcement,
                   OnControl([transfer](NcclEnd& self) {
                     transfer->is_announced = true;
                     self.FinishDone();
                   }));
  }
}

template <typename Control>
void NcclEnd<Control>::AwaitAnnouncement() {
  if constexpr (!kIsSender) {
    control_->Receive(ControlTag(++announcements_), absl::MakeSpan(coming_),
                      OnControl([](NcclEnd& self) { self.OnAnnouncement(); }));
  }
}

template <typename Control>
void NcclEnd<Control>::OnAnnouncement() {
  const absl::StatusOr<FrameHeader> header = DecodeFrameHeader(coming_);
  if (!header.ok()) return Close(header.status());
  announcement_ = *header;
  MatchAnnouncement();
  Issue();
}

template <typename Control>
void NcclEnd<Control>::MatchAnnouncement() {
  if (!announcement_) return;
  for (const TransferPtr& transfer : transfers_) {
    if (transfer->is_announced) continue;
    const absl::Status valid = CheckFrame(link_.id, transfer->tag, transfer->bytes.size(),
                                          announcement_->tag, announcement_->payload_bytes);
    if (!valid.ok()) return Close(valid);
    transfer->is_announced = true;
    announcement_.reset();
    return AwaitAnnouncement();
  }
}

template <typename Control>
void NcclEnd<Control>::Issue() {
  while (closed_.ok() && !is_issuing_ && issued_ < transfers_.size()) {
    Transfer& next = *transfers_[issued_];
    if (!kIsSender && !next.is_announced) return;
    if (next.bytes.empty()) {  // which NCCL does not move
      OnIssued();
      continue;
    }
    if (absl::Status made = link_.queue->WaitFor(*next.mark); !made.ok()) return Close(made);
    const absl::StatusOr<NcclApi::Progress> progress =
        kIsSender ? link_.nccl->Send(link_.comm, next.bytes, link_.queue->stream())
                  : link_.nccl->Receive(link_.comm, next.bytes, link_.queue->stream());
    if (!progress.ok()) return Close(progress.status());
    is_issuing_ = *progress == NcclApi::Progress::kUnderWay;
    is_issuing_ ? PollIssuing() : OnIssued();
  }
}

template <typename Control>
void NcclEnd<Control>::PollIssuing() {
  issuing_timer_.expires_after(kPollInterval);
  issuing_timer_.async_wait([self = this->shared_from_this()](const std::error_code& error) {
    if (error || !self->closed_.ok()) return;
    const absl::StatusOr<NcclApi::Progress> progress = self->link_.nccl->Poll(self->link_.comm);
    if (!progress.ok()) return self->Close(progress.status());
    if (*progress == NcclApi::Progress::kUnderWay) return self->PollIssuing();
    self->is_issuing_ = false;
    self->OnIssued();
    self->Issue();
  });
}

template <typename Control>
void NcclEnd<Control>::OnIssued() {
  const TransferPtr transfer = transfers_[issued_++];
  transfer->mark.reset();
  link_.queue->WhenDone([self = this->shared_from_this(), transfer](const absl::Status& status) {
    if (!status.ok()) return self->Close(status);
    transfer->is_moved = true;
    self->FinishDone();
  });
}

template <typename Control>
void NcclEnd<Control>::FinishDone() {
  while (closed_.ok() && !transfers_.empty() && transfers_.front()->is_moved &&
         transfers_.front()->is_announced) {
    const TransferPtr front = std::move(transfers_.front());
    transfers_.pop_front();
    --issued_;
    ++frames_;
    payload_bytes_ += front->bytes.size();
    front->done(absl::OkStatus());
  }
}

template <typename Control>
void NcclEnd<Control>::Close(const absl::Status& reason) {
  if (!closed_.ok()) return;
  closed_ = reason;
  issuing_timer_.cancel();
  watch_timer_.cancel();
  // In this order: what is on the stream ends only by the abort.
  link_.nccl->Abort(link_.comm);
  link_.queue->Abort(reason);
  for (const TransferPtr& transfer : std::exchange(transfers_, {})) transfer->done(reason);
  control_->Close(reason);
}

template <typename Control>
void NcclEnd<Control>::End() {
  Close(absl::CancelledError("the channel was closed at this end"));
  control_.reset();
}

template class NcclEnd<SendChannel>;
template class NcclEnd<ReceiveChannel>;

}  // namespace paci
