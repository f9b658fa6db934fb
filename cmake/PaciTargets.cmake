# paci_library(NAME SOURCES ... DEPS ...) and its siblings: every target of the project is made here, so that warnings,
# sanitizers and include roots are said once.

add_library(paci_options INTERFACE)
target_include_directories(paci_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(paci_options INTERFACE
  -Wall -Wextra -Werror -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers)
target_compile_definitions(paci_options INTERFACE PACI_VERSION="${PROJECT_VERSION}")
target_link_options(paci_options INTERFACE -fuse-ld=mold)
if(PACI_SANITIZE)
  target_compile_options(paci_options INTERFACE -fsanitize=${PACI_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(paci_options INTERFACE -fsanitize=${PACI_SANITIZE})
endif()
if(PACI_FUZZ)
  target_compile_options(paci_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(PACI_SANITIZE MATCHES address AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 takes the frames of Asio's coroutines for mismatched when its inlining is disturbed.
  target_compile_options(paci_options INTERFACE -Wno-mismatched-new-delete)
endif()
if(PACI_SANITIZE MATCHES thread)
  # Asio orders its handlers by mutexes as well; the sanitizer understands those, and not the fences.
  target_compile_definitions(paci_options INTERFACE ASIO_DISABLE_FENCED_BLOCK)
  target_compile_options(paci_options INTERFACE -Wno-tsan)
endif()

# Headers of libraries that are parsed once for all targets that read them: half of what compiling a small file takes.
# None that is generated, or a new field of a message would be a reason to compile everything. scripts/tidy.py reads files
# with what they include by themselves, but for tests and those with tensors, so an include that is missing is found there.
set(PACI_COMMON_HEADERS
  <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/strings/str_join.h> <absl/synchronization/mutex.h>
  <absl/time/clock.h>
  <google/protobuf/map_entry.h> <google/protobuf/message.h> <google/protobuf/repeated_field.h>
  <google/protobuf/timestamp.pb.h>
  <algorithm> <deque> <filesystem> <functional> <map> <memory> <optional> <set> <string> <thread> <utility> <vector>)

function(paci_precompile NAME HEADERS_OF)
  cmake_parse_arguments(ARG "" "" "HEADERS;DEPS;OPTIONS" ${ARGN})
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    return()
  endif()
  if(NOT TARGET ${HEADERS_OF})
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/${HEADERS_OF}.cc CONTENT "// For the precompiled header.\n")
    add_library(${HEADERS_OF} STATIC ${PROJECT_BINARY_DIR}/${HEADERS_OF}.cc)
    target_link_libraries(${HEADERS_OF} PRIVATE ${ARG_DEPS} paci_options)
    target_compile_options(${HEADERS_OF} PRIVATE -pthread -fpch-preprocess ${ARG_OPTIONS})
    target_precompile_headers(${HEADERS_OF} PRIVATE ${ARG_HEADERS})
  endif()
  target_precompile_headers(${NAME} REUSE_FROM ${HEADERS_OF})
  # ccache has to know what was read, and the compiler takes headers only with the flags that they were read with.
  target_compile_options(${NAME} PRIVATE -fpch-preprocess -pthread ${ARG_OPTIONS})
endfunction()

function(paci_common_headers NAME)
  paci_precompile(${NAME} paci_common_headers HEADERS ${PACI_COMMON_HEADERS} DEPS absl::statusor protobuf::libprotobuf)
endfunction()

# TENSORS of a target: LibTorch's headers are three quarters of the time that compiling its files takes.
function(paci_tensors NAME)
  paci_precompile(${NAME} paci_tensor_headers HEADERS <ATen/ATen.h> ${PACI_COMMON_HEADERS}
    DEPS Torch::cpu protobuf::libprotobuf)
endfunction()

# Tests are run once for each time that they are compiled: without optimisation that takes a third less.
function(paci_test_headers NAME)
  paci_precompile(${NAME} paci_test_headers HEADERS <gmock/gmock.h> <gtest/gtest.h> ${PACI_COMMON_HEADERS}
    DEPS GTest::gtest GTest::gmock protobuf::libprotobuf OPTIONS -O0)
endfunction()

function(paci_library NAME)
  cmake_parse_arguments(ARG "TENSORS" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${NAME} STATIC ${ARG_SOURCES})
    if(ARG_TENSORS)
      paci_tensors(${NAME})
    else()
      paci_common_headers(${NAME})
    endif()
    target_link_libraries(${NAME} PUBLIC ${ARG_DEPS} PRIVATE paci_options)
    target_include_directories(${NAME} PUBLIC ${PROJECT_SOURCE_DIR})
  else()
    add_library(${NAME} INTERFACE)
    target_link_libraries(${NAME} INTERFACE ${ARG_DEPS})
    target_include_directories(${NAME} INTERFACE ${PROJECT_SOURCE_DIR})
  endif()
endfunction()

function(paci_binary NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  paci_common_headers(${NAME})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS} paci_options)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# A GoogleTest executable, registered with ctest test by test. LABELS: unit, parity, integration. OPTIMISED: one that computes
# much by itself.
function(paci_test NAME)
  cmake_parse_arguments(ARG "TENSORS;OPTIMISED" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(PACI_SANITIZE MATCHES thread)
    list(APPEND ARG_SOURCES ${PROJECT_SOURCE_DIR}/tests/support/tsan_abseil.cc)
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  if(ARG_TENSORS)
    paci_tensors(${NAME})
  elseif(ARG_OPTIMISED)
    paci_common_headers(${NAME})
  else()
    paci_test_headers(${NAME})
  endif()
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main paci_options)
  gtest_discover_tests(${NAME} DISCOVERY_MODE PRE_TEST
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "PACI_BIN=${PROJECT_BINARY_DIR}/bin")
endfunction()
