#include "worker/data/batch_source.h"

#include <pthread.h>

#include <utility>

#include "absl/memory/memory.h"

namespace paci {

absl::StatusOr<std::unique_ptr<BatchSource>> BatchSource::Open(const v1::JobSpec& spec) {
  TokenFormat format;
  format.tokenizer = spec.data().tokenizer();
  format.context = spec.model().context();
  format.vocabulary = spec.model().vocabulary();
  absl::StatusOr<std::unique_ptr<TokenMix>> training =
      TokenMix::Open(spec.data(), spec.train().seed(), format);
  if (!training.ok()) return training.status();
  std::unique_ptr<TokenSet> validation;
  if (spec.train().eval_every() > 0 && spec.train().eval_batches() > 0) {
    absl::StatusOr<std::unique_ptr<TokenSet>> opened =
        TokenSet::Open(spec.data().validation(), format);
    if (!opened.ok()) return opened.status();
    validation = *std::move(opened);
  }
  return absl::WrapUnique(new BatchSource(spec, *std::move(training), std::move(validation)));
}

BatchSource::BatchSource(const v1::JobSpec& spec, std::unique_ptr<TokenMix> training,
                         std::unique_ptr<TokenSet> validation)
    : training_tokens_(std::move(training)),
      validation_tokens_(std::move(validation)),
      rows_(spec.pipeline().micro_batch()),
      columns_(int64_t{spec.model().context()} + 1),
      eval_batches_(spec.train().eval_batches()),
      training_(rows_ * columns_),
      validation_(validation_tokens_ ? rows_ * columns_ : 0),
      ahead_(rows_ * columns_),
      thread_([this] { ReadAhead(); }) {
  pthread_setname_np(thread_.native_handle(), "paci-data");
}

BatchSource::~BatchSource() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  thread_.join();
}

v1::TokenData BatchSource::training_data() const { return training_tokens_->Describe(); }

std::optional<v1::TokenData> BatchSource::validation_data() const {
  if (validation_tokens_ == nullptr) return std::nullopt;
  return Describe(absl::MakeConstSpan(&validation_tokens_, 1));
}

absl::StatusOr<absl::Span<const int64_t>> BatchSource::Training(int64_t micro_batch) {
  absl::MutexLock lock(&mutex_);
  if (wanted_ != micro_batch) {
    wanted_ = micro_batch;
    is_ready_ = false;
  }
  mutex_.Await(absl::Condition(&is_ready_));
  if (!read_.ok()) return read_;  // kept: asking again gives the same answer
  std::swap(training_, ahead_);
  ++wanted_;
  is_ready_ = false;
  return absl::MakeConstSpan(training_);
}

absl::StatusOr<absl::Span<const int64_t>> BatchSource::Validation(int64_t index) {
  if (validation_tokens_ == nullptr) {
    return absl::FailedPreconditionError("the job has no validation: train.eval_every is 0");
  }
  const int64_t first = index % eval_batches_ * rows_;
  const absl::Span<int64_t> batch = absl::MakeSpan(validation_);
  for (int64_t row = 0; row < rows_; ++row) {
    const int64_t sequence = (first + row) % validation_tokens_->sequences();
    absl::Status read = validation_tokens_->Read(sequence, batch.subspan(row * columns_, columns_));
    if (!read.ok()) return read;
  }
  return absl::MakeConstSpan(validation_);
}

absl::Status BatchSource::ReadTraining(int64_t micro_batch, absl::Span<int64_t> batch) const {
  for (int64_t row = 0; row < rows_; ++row) {
    absl::Status read =
        training_tokens_->Read(micro_batch * rows_ + row, batch.subspan(row * columns_, columns_));
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

void BatchSource::ReadAhead() {
  absl::MutexLock lock(&mutex_);
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return is_stopping_ || !is_ready_;
  };
  while (true) {
    mutex_.Await(absl::Condition(&has_work));
    if (is_stopping_) return;
    const int64_t micro_batch = wanted_;
    mutex_.Unlock();
    absl::Status read = ReadTraining(micro_batch, absl::MakeSpan(ahead_));
    mutex_.Lock();
    // Another one may be wanted by now; then this was in vain.
    if (wanted_ == micro_batch) {
      read_ = std::move(read);
      is_ready_ = true;
    }
  }
}

}  // namespace paci
