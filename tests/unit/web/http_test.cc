#include "common/web/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace paci {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(Http, ARequestIsReadAsFarAsItMatters) {
  const auto request = ParseRequest(
      "GET /jobs/a-1?refresh=5 HTTP/1.1\r\nHost: x\r\nauthorization:  Bearer abc \r\n\r\n");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->method, "GET");
  EXPECT_EQ(request->path, "/jobs/a-1");
  EXPECT_EQ(request->authorization, "Bearer abc");
  EXPECT_EQ(ParseRequest("HEAD / HTTP/1.0\r\n\r\n")->authorization, "");
}

TEST(Http, WhatIsNoRequestIsRefused) {
  for (const char* head :
       {"", "\r\n\r\n", "GET /\r\n\r\n", "GET x HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
        "GET / x HTTP/1.1\r\n\r\n", " / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02"}) {
    EXPECT_FALSE(ParseRequest(head).ok()) << absl::CEscape(head);
  }
}

TEST(Http, AnAnswerSaysItsLengthAlsoWithoutItsBody) {
  const HttpAnswer answer{.code = 404, .body = "nothing\n", .header = "X-A: b\r\n"};
  const std::string bytes = ToBytes(answer, /*with_body=*/true);
  EXPECT_THAT(bytes, HasSubstr("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(bytes, HasSubstr("\r\nContent-Length: 8\r\n"));
  EXPECT_THAT(bytes, HasSubstr("\r\nX-A: b\r\n"));
  EXPECT_THAT(bytes, EndsWith("Connection: close\r\n\r\nnothing\n"));
  EXPECT_EQ(ToBytes(answer, /*with_body=*/false) + "nothing\n", bytes);
}

TEST(Http, ATokenIsSaidByItselfOrAsAPassword) {
  EXPECT_EQ(TokenIn("Bearer abc"), "abc");
  EXPECT_EQ(TokenIn("bearer abc"), "abc");
  EXPECT_EQ(TokenIn(absl::StrCat("Basic ", absl::Base64Escape("anna:a:b"))), "a:b");
  for (const char* none : {"", "abc", "Basic", "Basic ***", "Basic YWJj", "Digest abc"}) {
    EXPECT_EQ(TokenIn(none), "") << none;
  }
}

}  // namespace
}  // namespace paci
