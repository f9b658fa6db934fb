#include "common/security/user_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/support/test_folder.h"

namespace paci {
namespace {

using testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  return std::string(ParseTokens(text).status().message());
}

TEST(Tokens, AreKnownByTheirHash) {
  const std::string token = MakeToken();
  EXPECT_NE(token, MakeToken());
  const std::string line = TokenLine({"anna", Role::kSubmit}, token);
  EXPECT_EQ(line.find(token), std::string::npos);
  const auto owners = ParseTokens(absl::StrCat("# who\n\n", line, "  # since May\n"));
  ASSERT_TRUE(owners.ok()) << owners.status();
  EXPECT_EQ(owners->at(HashOfToken(token)).name, "anna");
  EXPECT_EQ(owners->at(HashOfToken(token)).role, Role::kSubmit);
  // As sha256sum says.
  EXPECT_EQ(HashOfToken("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Tokens, AWrongLineIsNamed) {
  const std::string hash(64, 'a');
  EXPECT_THAT(ErrorOf("anna view"), HasSubstr("line 1 has 2 words; expected NAME ROLE SHA256"));
  EXPECT_THAT(ErrorOf("\nanna root " + hash), HasSubstr("line 2 there is no role \"root\""));
  EXPECT_THAT(ErrorOf("anna worker " + hash), HasSubstr("certificates, not tokens"));
  EXPECT_THAT(ErrorOf("anna view " + std::string(64, 'A')), HasSubstr("64 characters of 0-9a-f"));
  EXPECT_THAT(ErrorOf("anna view secret"), HasSubstr("no SHA-256"));
  EXPECT_THAT(ErrorOf(absl::StrCat("a view ", hash, "\nb admin ", hash)),
              HasSubstr("line 2 has the token of an earlier line"));
}

TEST(UserTokens, IsReadAgainASecondAfterItChanged) {
  const TestFolder folder;
  const std::string path = folder.Write("tokens", TokenLine({"anna", Role::kView}, "one"));
  const auto file = UserTokens::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  absl::Time now = absl::UnixEpoch();
  const auto is_known_after = [&](const std::string& token, absl::Duration wait) {
    return (*file)->Find(token, now += wait).has_value();
  };
  EXPECT_TRUE(is_known_after("one", absl::ZeroDuration()));
  folder.Write("tokens", TokenLine({"anna", Role::kView}, "another"));
  EXPECT_FALSE(is_known_after("another", absl::Milliseconds(900)));
  EXPECT_TRUE(is_known_after("another", absl::Milliseconds(100)));
  EXPECT_FALSE(is_known_after("one", absl::ZeroDuration()));
  // Nobody is locked out by a slip, nor by the moment between two files.
  folder.Write("tokens", "nonsense");
  EXPECT_TRUE(is_known_after("another", absl::Seconds(2)));
  std::filesystem::remove(path);
  EXPECT_TRUE(is_known_after("another", absl::Seconds(2)));
  folder.Write("tokens", "");
  EXPECT_FALSE(is_known_after("another", absl::Seconds(2)));
}

TEST(UserTokens, MustBeThereAndRightAtTheStart) {
  const TestFolder folder;
  EXPECT_THAT(UserTokens::Open(folder.path() + "/none").status().message(),
              HasSubstr("/none cannot be read: No such file"));
  EXPECT_THAT(UserTokens::Open(folder.Write("tokens", "x")).status().message(),
              HasSubstr("/tokens: line 1 has 1 words"));
  EXPECT_THAT(
      UserTokens::Open(folder.Write("tokens", std::string(2 << 20, '\n'))).status().message(),
      HasSubstr("expected at most 1048576"));
}

}  // namespace
}  // namespace paci
