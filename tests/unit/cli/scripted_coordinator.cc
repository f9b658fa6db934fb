#include "tests/unit/cli/scripted_coordinator.h"

#include <sstream>

#include "cli/cli.h"
#include "gtest/gtest.h"

namespace paci::cli {

ScriptedCoordinator::ScriptedCoordinator(int port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

CommandResult RunAgainst(const ScriptedCoordinator& coordinator, std::vector<std::string> args) {
  args.insert(args.end(), {"--coordinator", coordinator.address()});
  std::ostringstream out;
  std::ostringstream err;
  const int code = RunPacictl(args, {out, err});
  return {code, out.str(), err.str()};
}

}  // namespace paci::cli
