#pragma once

#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "common/transport/nccl/nccl_end.h"

namespace paci {

// One side of a link on its way to be joined: from the control's connection to the communicator.
// `Control`: SendChannel at the side that sends, which makes the communicator's id and is rank 0.
// On the I/O thread only; kept alive by what is under way.
template <typename Control>
class NcclJoin : public std::enable_shared_from_this<NcclJoin<Control>> {
 public:
  using Made = absl::StatusOr<std::shared_ptr<NcclEnd<Control>>>;
  // `done` is called exactly once.
  NcclJoin(NcclLink link, absl::Time deadline, std::function<void(Made)> done);

  void OnControl(absl::StatusOr<std::unique_ptr<Control>> control);
  // Ends it, unless it has ended.
  void Fail(const absl::Status& status);

  const LinkId& link() const { return link_.id; }
  bool is_over() const { return done_ == nullptr; }

 private:
  static constexpr bool kIsSender = std::is_same_v<Control, SendChannel>;

  absl::Status SendId();
  void ReceiveId();
  // The sender says when it has joined. It is awaited from the start, so that its end is noticed.
  void ReceiveJoined();
  void JoinComm();
  void Succeed();
  void Poll();

  NcclLink link_;
  const absl::Time deadline_;
  std::function<void(Made)> done_;  // emptied when it is called
  std::unique_ptr<Control> control_;
  NcclId comm_id_;
  bool has_peer_joined_ = kIsSender;  // as far as it matters here
  asio::steady_timer timer_;
};

}  // namespace paci
