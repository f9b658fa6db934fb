#include "worker/stage/state_copies.h"

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

FrameTag TagOf(uint64_t frame) { return {FrameKind::kStateCopy, 0, frame}; }

template <typename Container>
absl::Span<const std::byte> BytesOf(const Container& values) {
  return {reinterpret_cast<const std::byte*>(values.data()),
          values.size() * sizeof(*values.data())};
}
template <typename Container>
absl::Span<std::byte> MutableBytesOf(Container& values) {
  return {reinterpret_cast<std::byte*>(values.data()), values.size() * sizeof(*values.data())};
}

}  // namespace

absl::Status CopySender::Send(const StateCopy& copy) {
  absl::StatusOr<std::string> header = copy.Header();
  if (!header.ok()) return header.status();
  header_ = *std::move(header);
  sizes_ = {header_.size(), copy.bytes().size()};
  const auto frames = {BytesOf(sizes_), BytesOf(header_), copy.bytes()};
  {
    absl::MutexLock lock(&mutex_);
    pending_ = static_cast<int>(frames.size());
  }
  for (const absl::Span<const std::byte> frame : frames) {
    channel_->Send(TagOf(frames_++), frame, [this](const absl::Status& status) {
      absl::MutexLock lock(&mutex_);
      --pending_;
      status_.Update(status);
    });
  }
  return absl::OkStatus();
}

absl::Status CopySender::Await() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](int* pending) { return *pending == 0; }, &pending_));
  return status_;
}

CopyReceiver::CopyReceiver(std::unique_ptr<ReceiveChannel> channel) : channel_(std::move(channel)) {
  ReceiveSizes();
}

CopyReceiver::~CopyReceiver() {
  absl::MutexLock lock(&mutex_);
  is_ending_ = true;
  mutex_.Await(absl::Condition(
      +[](int* callbacks) { return *callbacks == 0; }, &callbacks_));
}

bool CopyReceiver::Enter() {
  absl::MutexLock lock(&mutex_);
  if (!is_ending_) ++callbacks_;
  return !is_ending_;
}

void CopyReceiver::Leave() {
  absl::MutexLock lock(&mutex_);
  --callbacks_;
}

template <typename Next>
void CopyReceiver::Receive(absl::Span<std::byte> into, Next next) {
  channel_->Receive(TagOf(frames_++), into, [this, next](const absl::Status& status) {
    if (!Enter()) return;
    status.ok() ? (this->*next)() : Fail(status);
    Leave();
  });
}

void CopyReceiver::ReceiveSizes() { Receive(MutableBytesOf(sizes_), &CopyReceiver::ReceiveHeader); }

void CopyReceiver::ReceiveHeader() {
  {
    absl::MutexLock lock(&spare_->mutex);
    bytes_ = std::exchange(spare_->bytes, {});
  }
  try {
    header_.resize(sizes_[0]);
    bytes_.resize(sizes_[1]);
  } catch (const std::exception&) {
    const auto too_large = absl::ResourceExhaustedError(
        absl::StrCat("there is no memory for a neighbour's copy of ", sizes_[1], " bytes"));
    Fail(too_large);
    return channel_->Close(too_large);
  }
  Receive(MutableBytesOf(header_), &CopyReceiver::ReceiveBytes);
}

void CopyReceiver::ReceiveBytes() { Receive(MutableBytesOf(bytes_), &CopyReceiver::Publish); }

void CopyReceiver::Publish() {
  absl::StatusOr<StateCopy> copy = StateCopy::FromHeader(header_, std::exchange(bytes_, {}));
  if (!copy.ok()) {
    Fail(copy.status());
    return channel_->Close(copy.status());
  }
  const auto recycle = [spare = spare_](StateCopy* old) {
    const std::unique_ptr<StateCopy> owned(old);
    absl::MutexLock lock(&spare->mutex);
    spare->bytes = std::move(*owned).TakeBytes();
  };
  std::shared_ptr<const StateCopy> newest(new StateCopy(*std::move(copy)), recycle);
  {
    absl::MutexLock lock(&mutex_);
    newest_.swap(newest);
  }
  newest.reset();
  ReceiveSizes();
}

void CopyReceiver::Fail(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  status_.Update(status);
}

std::shared_ptr<const StateCopy> CopyReceiver::Newest() const {
  absl::MutexLock lock(&mutex_);
  return newest_;
}

absl::StatusOr<std::shared_ptr<const StateCopy>> CopyReceiver::AwaitFirst() {
  absl::MutexLock lock(&mutex_);
  const auto is_decided = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return newest_ != nullptr || !status_.ok();
  };
  mutex_.Await(absl::Condition(&is_decided));
  if (newest_ == nullptr) return status_;
  return newest_;
}

void Replicator::AfterUpdate(int64_t update) {
  if (has_failed_ || (copied_ >= 0 && update < copied_ + every_)) return;
  absl::Status status = sender_.Await();
  if (status.ok()) status = compute_->CopyState(update, copy_);
  if (status.ok()) status = sender_.Send(copy_);
  copied_ = update;
  has_failed_ = !status.ok();
  if (has_failed_) {
    LogWarning("the copy of the stage at its neighbour is not renewed any more",
               {{"update", update}, {"why", status.ToString()}});
  }
}

}  // namespace paci
