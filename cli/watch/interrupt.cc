#include "cli/watch/interrupt.h"

#include <pthread.h>

namespace paci::cli {

Interrupt::Interrupt() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &previous_);
  thread_ = std::thread(&Interrupt::WaitForSignals, this);
  pthread_setname_np(thread_.native_handle(), "pacictl-signal");
}

Interrupt::~Interrupt() {
  {
    absl::MutexLock lock(&mutex_);
    ends_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

bool Interrupt::caught() const {
  absl::MutexLock lock(&mutex_);
  return caught_;
}

bool Interrupt::WaitFor(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&caught_), duration);
}

void Interrupt::WaitForSignals() {
  while (true) {
    int signal = 0;
    sigwait(&signals_, &signal);
    absl::MutexLock lock(&mutex_);
    if (ends_) return;
    caught_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
}

Interrupt::Scope::Scope(Interrupt* interrupt, grpc::ClientContext* context)
    : interrupt_(interrupt) {
  if (interrupt_ == nullptr) return;
  absl::MutexLock lock(&interrupt_->mutex_);
  interrupt_->context_ = context;
  if (interrupt_->caught_) context->TryCancel();
}

Interrupt::Scope::~Scope() {
  if (interrupt_ == nullptr) return;
  absl::MutexLock lock(&interrupt_->mutex_);
  interrupt_->context_ = nullptr;
}

}  // namespace paci::cli
