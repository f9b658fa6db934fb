#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/integration/local_cluster.h"

namespace paci {

// Machines of one test: a network namespace for each worker, whose cable goes to a switch in the
// namespace of the coordinator, which is the test's own. They end with the test's process, however
// that ends, and are seen by nobody else. Single-threaded, on the thread that made it.
class Network {
 public:
  // Moves the calling thread to a namespace of its own, once a process and before it starts other
  // threads, which stay where they begin. An error says what this machine does not allow.
  static absl::StatusOr<std::unique_ptr<Network>> Create();
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // Made when it is first asked for. "coordinator": the namespace with the switch.
  Place PlaceOf(const std::string& name);

  // The cable of a worker is pulled out of the switch.
  void Unplug(const std::string& worker);
  void Plug(const std::string& worker);
  // What `from` sends to `to` is lost from now on, silently, and the other direction works.
  void Mute(const std::string& from, const std::string& to);
  void Unmute(const std::string& from, const std::string& to);
  // Of what a worker sends. UNIMPLEMENTED: the kernel has no netem.
  absl::Status Impair(const std::string& worker, const std::vector<std::string>& netem);

 private:
  struct Machine {
    int number = 0;      // its address ends with it; the coordinator's with 1
    int name_space = 0;  // a descriptor; of the coordinator -1: the test's own
  };

  Network() = default;

  Machine& MachineOf(const std::string& name);
  absl::Status Add(const std::string& worker);
  // Runs a program inside of a machine.
  absl::Status Run(const Machine& machine, const std::vector<std::string>& words);
  void Neighbour(const std::string& verb, const std::string& from, const std::string& to);

  std::map<std::string, Machine> machines_;
};

}  // namespace paci
