// The programs with the CUDA device: the real ones load kernels/cuda as it is built for the card of
// tests/simt, or the module of a real card where NCSCOPE_TEST_CUDA_MODULE names it (tests/gpu.sh).
#include <gmock/gmock.h>

#include <cstdlib>

#include "proto/convert/report.h"
#include "tests/client/cli/cli.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

std::string variable(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

constexpr const char* kModule = "NCSCOPE_CUDA_MODULE";
const bool kRealCard = std::getenv("NCSCOPE_TEST_CUDA_MODULE") != nullptr;
const Environment kCard = {
    {kModule, variable("NCSCOPE_TEST_CUDA_MODULE", NCSCOPE_CUDA_HOST_MODULE)}};
// Against the processor: sums of a real card's cuBLAS go in another order. As in gpu_roundtrip.py.
const double kAgree = kRealCard ? 1e-5 : 1e-6;

Environment card_with(const std::string& name, const std::string& value) {
  Environment environment = kCard;
  environment[name] = value;
  return environment;
}

// The card's module, and no card that it could see.
Environment no_card() {
  return kRealCard ? card_with("CUDA_VISIBLE_DEVICES", "-1")
                   : card_with("NCSCOPE_SIMT_DEVICES", "0");
}

class CudaPrograms : public ::testing::Test {
 protected:
  CudaPrograms() {
    const auto samples = test::make_clusters({3000, 16, 5, DType::kFloat32, 0.2, 0, 5});
    auto entries = sample_entries(samples, 0, 3000);
    write_zip(folder_ / "plain.npz", entries);
    for (auto& entry : classifier_entries(samples)) entries.push_back(std::move(entry));
    write_zip(folder_ / "x.npz", entries);
  }

  std::string file() const { return (folder_ / "x.npz").string(); }
  std::vector<std::string> local(const std::string& backend) const {
    return {"report", file(), "--local", "--backend", backend};
  }
  std::vector<std::string> remote(const ServerProcess& server, const std::string& run) const {
    return {"report", file(), "--server", server.address(), "--run", run};
  }

  TemporaryFolder folder_;
};

TEST_F(CudaPrograms, ALocalReportOnTheCardHasTheNumbersOfTheProcessor) {
  const v1::Report cpu = cli_report(local("cpu"));
  for (const std::string backend : {"cuda", "auto"}) {
    const v1::Report cuda = cli_report(local(backend), kCard);
    EXPECT_EQ(cuda.device().backend(), "cuda");
    EXPECT_EQ(cuda.device().math(), "exact");
    EXPECT_FALSE(cuda.device().driver().empty());
    EXPECT_EQ(cuda.device().libraries_size(), 3);
    expect_same_numbers(cpu, cuda, kAgree);
  }
}

TEST_F(CudaPrograms, MathFp64IsTheSameOnBoth) {
  std::vector<std::string> on_cpu = local("cpu");
  std::vector<std::string> on_card = local("cuda");
  for (auto* arguments : {&on_cpu, &on_card})
    arguments->insert(arguments->end(), {"--math", "fp64"});
  const v1::Report cpu = cli_report(on_cpu);
  const v1::Report cuda = cli_report(on_card, kCard);
  for (const v1::Report* report : {&cpu, &cuda}) {
    EXPECT_EQ(report->device().math(), "fp64");
    EXPECT_EQ(report->conventions().accumulation(), "float64");
  }
  expect_same_numbers(cpu, cuda, 1e-9);
}

TEST_F(CudaPrograms, WhereThereIsNoCardAutoTakesTheProcessorAndCudaSaysWhy) {
  const struct {
    Environment environment;
    std::string why;
  } cases[] = {
      {no_card(), "cuda has no usable card"},
      {card_with("NVIDIA_TF32_OVERRIDE", "1"),
       "would not compute exactly: expected the environment"},
      {{{kModule, "/nowhere/ncscope_cuda.so"}}, "not part of this installation"},
      {{{kModule, cli_program()}}, "cuda cannot be loaded"},
      {{{kModule, variable("NCSCOPE_TEST_OTHER_MODULE", NCSCOPE_CUDA_OTHER_MODULE)}},
       "is of another version of ncscope"},
  };
  for (const auto& [environment, why] : cases) {
    SCOPED_TRACE(why);
    EXPECT_EQ(cli_report(local("auto"), environment).device().backend(), "cpu");
    expect_refusal(run_cli(local("cuda"), environment), 1, why);
  }
}

TEST_F(CudaPrograms, DoctorChecksTheCard) {
  const std::string text = cli_output({"doctor"}, kCard);
  EXPECT_THAT(text, HasSubstr("exact simplex ETF on cuda"));
  EXPECT_THAT(text, Not(HasSubstr("WRONG")));
  EXPECT_THAT(cli_output({"doctor"}, no_card()),
              HasSubstr("cuda: not usable, cuda has no usable card"));
}

TEST_F(CudaPrograms, TheServerComputesOnTheCard) {
  ServerProcess server(server_program(), {"--backend", "auto"}, kCard);
  const v1::Report report = cli_report(remote(server, "run"));
  EXPECT_EQ(report.device().backend(), "cuda");
  expect_same_numbers(cli_report(local("cpu")), report, kAgree);
  EXPECT_EQ(server.stop(), 0) << server.log();
  EXPECT_THAT(server.log(), HasSubstr("computes on cuda"));
}

TEST_F(CudaPrograms, AServerWithoutACardServesOnTheProcessorAndSaysSo) {
  ServerProcess server(server_program(), {"--backend", "auto"}, no_card());
  EXPECT_EQ(cli_report(remote(server, "run")).device().backend(), "cpu");
  EXPECT_THAT(server.log(), HasSubstr("cuda has no usable card"));
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST_F(CudaPrograms, AServerThatMustHaveACardEndsWithoutOne) {
  const CommandResult result =
      run_command({server_program(), "--listen", "127.0.0.1:0", "--http", "", "--data",
                   (folder_ / "data").string(), "--backend", "cuda"},
                  no_card());
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("cuda has no usable card"));
}

TEST_F(CudaPrograms, ASeriesThatDoesNotFitTheCardIsRefusedAndTheNextIsServed) {
  // As little as may be; half of it is for accumulators.
  ServerProcess server(server_program(),
                       {"--backend", "cuda", "--devices", "1", "--device-memory", "320MB"}, kCard);
  const CommandResult refused = run_cli({"report", (folder_ / "plain.npz").string(), "--server",
                                         server.address(), "--num-classes", "900000"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("--device-memory"));
  EXPECT_EQ(cli_report(remote(server, "small")).device().backend(), "cuda");
  EXPECT_EQ(server.stop(), 0) << server.log();
}

// A fault of the card that stays: the server ends with a status of its own. Something starts it
// again; what was reported is there, and the client that was streaming goes on by itself.
TEST_F(CudaPrograms, ALostCardEndsTheServerAndTheNextOneGoesOn) {
  if (kRealCard) GTEST_SKIP() << "only the card of tests/simt is lost when it is told to";
  ServerProcess server(server_program(), {"--backend", "cuda", "--devices", "1"}, kCard);
  const v1::Report first = cli_report(remote(server, "kept"));
  EXPECT_EQ(server.stop(), 0) << server.log();

  server.start(card_with("NCSCOPE_SIMT_FAULT", "launch:3:700"));
  std::vector<std::string> arguments = remote(server, "lost");
  arguments.insert(arguments.begin(), cli_program());
  BackgroundCommand client(arguments, folder_ / "client.log");
  EXPECT_EQ(server.wait(), 75) << server.log();
  EXPECT_THAT(server.log(), HasSubstr("cudaErrorIllegalAddress"));

  server.start(kCard);
  EXPECT_EQ(client.wait(), 0) << read_file(folder_ / "client.log");
  for (const std::string run : {"kept", "lost"}) {
    // An array of one.
    const std::string json = cli_output({"export", run, "--server", server.address()});
    const size_t start = json.find('{');
    const std::string one = json.substr(start, json.rfind('}') + 1 - start);
    expect_same_numbers(first, report_from_json(one), 0);
  }
  EXPECT_EQ(server.stop(), 0) << server.log();
}

}  // namespace
}  // namespace ncscope::testing
