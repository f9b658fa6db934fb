#include "tests/chaos/network.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/process.h"

namespace paci {
namespace {

constexpr char kNsenter[] = "/usr/bin/nsenter";
constexpr char kEnv[] = "/usr/bin/env";
constexpr char kSwitch[] = "switch";

std::string AddressOf(int number) { return absl::StrCat("10.77.0.", number); }
std::string CableOf(int number) { return absl::StrCat("cable", number); }

// How nsenter is told to enter a namespace that this process holds a descriptor of.
std::string EnterOption(int name_space) {
  return absl::StrCat("--net=/proc/", getpid(), "/fd/", name_space);
}

absl::Status Succeed(const std::string& program, const std::vector<std::string>& words) {
  Process process(program, words);
  const CommandResult result = process.Wait();
  if (result.code == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(absl::StrJoin(words, " "), " ended with ", result.code, ": ", result.err));
}

absl::Status Here(const std::vector<std::string>& words) { return Succeed(kEnv, words); }

int OpenOwnNamespace() { return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

absl::Status EnterNewNamespace() {
  if (unshare(CLONE_NEWNET) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "a network namespace cannot be made");
}

void Expect(const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; }

}  // namespace

absl::StatusOr<std::unique_ptr<Network>> Network::Create() {
  static const absl::Status moved = EnterNewNamespace();
  if (!moved.ok()) return moved;
  auto network = absl::WrapUnique(new Network());
  network->machines_["coordinator"] = {1, -1};
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"ip", "link", "set", "lo", "up"},
        {"ip", "link", "add", kSwitch, "type", "bridge"},
        {"ip", "address", "add", AddressOf(1) + "/24", "dev", kSwitch},
        {"ip", "link", "set", kSwitch, "up"}}) {
    if (absl::Status done = Here(words); !done.ok()) return done;
  }
  return network;
}

Network::~Network() {
  for (const auto& [name, machine] : machines_) {
    if (machine.name_space >= 0) close(machine.name_space);
  }
  (void)Here({"ip", "link", "delete", kSwitch});
}

Network::Machine& Network::MachineOf(const std::string& name) {
  if (machines_.count(name) == 0) Expect(Add(name));
  return machines_.at(name);
}

absl::Status Network::Add(const std::string& worker) {
  const int home = OpenOwnNamespace();
  if (absl::Status made = EnterNewNamespace(); !made.ok()) return made;
  Machine machine = {static_cast<int>(machines_.size()) + 1, OpenOwnNamespace()};
  EXPECT_EQ(setns(home, CLONE_NEWNET), 0);
  close(home);
  machines_[worker] = machine;
  const std::string cable = CableOf(machine.number);
  const std::string inside = absl::StrCat("/proc/", getpid(), "/fd/", machine.name_space);
  absl::Status done = Here({"ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0"});
  if (done.ok()) {
    // `ip` takes the name of a namespace or a process, so the end is moved by one that is in it.
    Process holder("/usr/bin/sleep", {"infinity"}, {}, {kNsenter, EnterOption(machine.name_space)});
    const std::string pid = absl::StrCat(holder.pid());
    Poll("a process is in the namespace", [&] {
      std::error_code gone;
      return std::filesystem::read_symlink("/proc/" + pid + "/ns/net", gone) ==
             std::filesystem::read_symlink(inside, gone);
    });
    done = Here({"ip", "link", "set", "eth0", "netns", pid});
  }
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"ip", "link", "set", cable, "master", kSwitch},
        {"ip", "link", "set", cable, "up"}}) {
    if (done.ok()) done = Here(words);
  }
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"ip", "link", "set", "lo", "up"},
        {"ip", "address", "add", AddressOf(machine.number) + "/24", "dev", "eth0"},
        {"ip", "link", "set", "eth0", "up"}}) {
    if (done.ok()) done = Run(machine, words);
  }
  return done;
}

absl::Status Network::Run(const Machine& machine, const std::vector<std::string>& words) {
  if (machine.name_space < 0) return Here(words);
  std::vector<std::string> all = {EnterOption(machine.name_space)};
  all.insert(all.end(), words.begin(), words.end());
  return Succeed(kNsenter, all);
}

Place Network::PlaceOf(const std::string& name) {
  const Machine& machine = MachineOf(name);
  Place place{AddressOf(machine.number), {}};
  if (machine.name_space >= 0) place.launcher = {kNsenter, EnterOption(machine.name_space)};
  return place;
}

void Network::Unplug(const std::string& worker) {
  Expect(Here({"ip", "link", "set", CableOf(MachineOf(worker).number), "down"}));
}

void Network::Plug(const std::string& worker) {
  Expect(Here({"ip", "link", "set", CableOf(MachineOf(worker).number), "up"}));
}

// To a hardware address that no machine has: the switch takes the frame and nobody keeps it.
void Network::Mute(const std::string& from, const std::string& to) {
  const Machine& sender = MachineOf(from);
  Expect(Run(sender, {"ip", "neighbour", "replace", AddressOf(MachineOf(to).number), "lladdr",
                      "02:00:00:00:00:77", "nud", "permanent", "dev",
                      sender.name_space < 0 ? kSwitch : "eth0"}));
}

void Network::Unmute(const std::string& from, const std::string& to) {
  const Machine& sender = MachineOf(from);
  Expect(Run(sender, {"ip", "neighbour", "delete", AddressOf(MachineOf(to).number), "dev",
                      sender.name_space < 0 ? kSwitch : "eth0"}));
}

absl::Status Network::Impair(const std::string& worker, const std::vector<std::string>& netem) {
  std::vector<std::string> words = {"tc", "qdisc", "replace", "dev", "eth0", "root", "netem"};
  words.insert(words.end(), netem.begin(), netem.end());
  const absl::Status done = Run(MachineOf(worker), words);
  if (!done.ok() && absl::StrContains(done.message(), "qdisc kind is unknown")) {
    return absl::UnimplementedError("this kernel has no netem");
  }
  return done;
}

}  // namespace paci
