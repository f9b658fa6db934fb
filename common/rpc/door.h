#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/rpc/address.h"
#include "common/rpc/descriptor.h"
#include "common/rpc/guests.h"

namespace paci {

// Where a gRPC server is called: listens, and hands on as many connections as the limits allow; the
// others are closed at once. gRPC 1.51's own listener knows no limit, and when the process runs out
// of descriptors it stops listening, for ever. Owns the thread "paci-door". One thread calls it.
class Door {
 public:
  // Port 0 takes a free one; 0.0.0.0 and :: are every address of the host, of either kind.
  // UNAVAILABLE: it cannot be listened on, with what the system said.
  static absl::StatusOr<std::unique_ptr<Door>> Open(const HostPort& address,
                                                    const GuestLimits& limits);
  // Nobody is admitted any more. Before the server shuts down.
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  // Once, before the server is built. Sets, too, how long a connection may take to become one of
  // HTTP/2 (10 s) and be without a call (60 s), and how many calls one may have (128).
  void AddTo(grpc::ServerBuilder& builder,
             const std::shared_ptr<grpc::ServerCredentials>& credentials);
  // Once the server has started: connections that wait and those that come are admitted. `on_full`
  // is told why one was not, once a minute, on the door's thread.
  void Admit(std::function<void(const absl::Status& why)> on_full = nullptr);

  // With the port that is listened on.
  const HostPort& address() const { return address_; }

 private:
  Door(HostPort address, const GuestLimits& limits, std::vector<Descriptor> listeners);

  void Run();
  // Whether there was one; false, too, when there is no descriptor for it.
  bool AdmitNext(int listener);
  void Refuse(const absl::Status& why, absl::Time now);

  const HostPort address_;
  Guests guests_;  // the thread's
  const std::vector<Descriptor> listeners_;
  const Descriptor end_;  // an eventfd
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::function<void(const absl::Status& why)> on_full_;
  absl::Time complained_ = absl::InfinitePast();  // the thread's
  std::thread thread_;
};

}  // namespace paci
