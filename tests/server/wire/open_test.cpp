// What an Open may say.
#include <gtest/gtest.h>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

struct BadOpen {
  const char* name;
  void (*spoil)(v1::Open&);
  std::vector<std::string> parts;
};

const BadOpen kBadOpens[] = {
    {"NoRun", [](v1::Open& o) { o.mutable_key()->clear_run(); }, {"run", "1 to 128"}},
    {"RunWithSlash", [](v1::Open& o) { o.mutable_key()->set_run("../x"); }, {"'../x'"}},
    {"RunTooLong",
     [](v1::Open& o) { o.mutable_key()->set_run(std::string(129, 'a')); },
     {"got 129"}},
    {"SplitTooLong",
     [](v1::Open& o) { o.mutable_key()->set_split(std::string(65, 'a')); },
     {"split", "1 to 64", "got 65"}},
    {"LayerWithSpace", [](v1::Open& o) { o.mutable_key()->set_layer("a b"); }, {"layer", "'a b'"}},
    {"NoClasses", [](v1::Open& o) { o.clear_num_classes(); }, {"K", "got 0"}},
    {"TooManyClasses", [](v1::Open& o) { o.set_num_classes(2'000'000); }, {"1000000", "2000000"}},
    {"NoDim", [](v1::Open& o) { o.clear_dim(); }, {"dim d", "got 0"}},
    {"TooManyDims", [](v1::Open& o) { o.set_dim(70'000); }, {"65536", "70000"}},
    {"RankBeyondWorld", [](v1::Open& o) { o.set_rank(1); }, {"[0, 1)", "got 1"}},
    {"WorldTooLarge", [](v1::Open& o) { o.set_world_size(5'000); }, {"1024", "5000"}},
    {"NoType", [](v1::Open& o) { o.clear_data_type(); }, {"data_type", "FLOAT32"}},
    {"UnknownType",
     [](v1::Open& o) { o.set_data_type(static_cast<v1::DataType>(77)); },
     {"data_type", "77"}},
    {"UnknownLabelType",
     [](v1::Open& o) { o.set_label_type(static_cast<v1::LabelType>(9)); },
     {"label_type", "9"}},
    {"UnknownPolicy",
     [](v1::Open& o) { o.set_nonfinite(static_cast<v1::NonfinitePolicy>(9)); },
     {"nonfinite", "9"}},
    {"UnknownWeighting",
     [](v1::Open& o) { o.set_weighting(static_cast<v1::Weighting>(9)); },
     {"weighting", "9"}},
    {"UnknownSpectrum",
     [](v1::Open& o) { o.mutable_choices()->set_spectrum(static_cast<v1::SpectrumChoice>(9)); },
     {"spectrum", "9"}},
    {"UnknownProfile",
     [](v1::Open& o) { o.set_profile("mine\n"); },
     {"profile", "papyan, geometric, linguistic or rw", "got mine"}},
};

class BadOpenTest : public ::testing::TestWithParam<BadOpen> {};

TEST_P(BadOpenTest, IsRefusedAndLeavesNothing) {
  LiveServer live;
  const Samples samples = make_samples(20, 4, 3, DType::kFloat32, 1);
  v1::Open open = open_for(samples);
  GetParam().spoil(open);
  StreamCall call(live.stub());
  EXPECT_FALSE(call.open(open));
  expect_status(call.finish(), grpc::INVALID_ARGUMENT, GetParam().parts);
  EXPECT_EQ(live.server().engine().registry().size(), 0u);
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples), samples, 8));
}

INSTANTIATE_TEST_SUITE_P(Wire, BadOpenTest, ::testing::ValuesIn(kBadOpens),
                         [](const auto& info) { return std::string(info.param.name); });

struct Disagreement {
  const char* name;
  void (*change)(v1::Open&);
  std::vector<std::string> parts;
};

const Disagreement kDisagreements[] = {
    {"Classes", [](v1::Open& o) { o.set_num_classes(4); }, {"K = 3", "got 4"}},
    {"Dim", [](v1::Open& o) { o.set_dim(5); }, {"d = 4", "got 5"}},
    {"World", [](v1::Open& o) { o.set_world_size(3); }, {"world_size 2", "got 3"}},
    {"Type",
     [](v1::Open& o) { o.set_data_type(v1::DATA_TYPE_BFLOAT16); },
     {"float32", "got bfloat16"}},
    {"LabelType",
     [](v1::Open& o) { o.set_label_type(v1::LABEL_TYPE_INT32); },
     {"int64", "got int32"}},
    {"Policy",
     [](v1::Open& o) { o.set_nonfinite(v1::NONFINITE_POLICY_SKIP); },
     {"refuse", "got skip"}},
    {"IgnoreIndex", [](v1::Open& o) { o.set_ignore_index(-1); }, {"-100", "got -1"}},
    {"Weighting",
     [](v1::Open& o) { o.set_weighting(v1::WEIGHTING_BY_COUNT); },
     {"uniform", "got by_count"}},
    {"Choices",
     [](v1::Open& o) { o.mutable_choices()->set_spectrum(v1::SPECTRUM_CHOICE_ALL); },
     {"choices {}", "got {spectrum: SPECTRUM_CHOICE_ALL}"}},
    {"MarginChoice",
     [](v1::Open& o) { o.mutable_choices()->set_one_vs_rest_margin(true); },
     {"choices {}", "got {one_vs_rest_margin: true}"}},
    {"Profile", [](v1::Open& o) { o.set_profile("rw"); }, {"profile default", "got rw"}},
    {"Depth", [](v1::Open& o) { o.set_depth(2); }, {"depth 0", "got 2"}},
};

class DisagreementTest : public ::testing::TestWithParam<Disagreement> {};

TEST_P(DisagreementTest, NamesBothValues) {
  LiveServer live;
  const Samples samples = make_samples(20, 4, 3, DType::kFloat32, 1);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  ASSERT_TRUE(stream_all(live.stub(), open, samples, 8));
  v1::Open other = open;
  other.set_rank(1);
  GetParam().change(other);
  StreamCall call(live.stub());
  EXPECT_FALSE(call.open(other));
  expect_status(call.finish(), grpc::INVALID_ARGUMENT, GetParam().parts);
  open.set_rank(1);
  const auto closed = stream_all(live.stub(), open, samples, 8);
  EXPECT_TRUE(closed && closed->has_report());
}

INSTANTIATE_TEST_SUITE_P(Wire, DisagreementTest, ::testing::ValuesIn(kDisagreements),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Open, DefaultsStandForWhatTheContractSays) {
  LiveServer live;
  const Samples samples = make_samples(20, 4, 3, DType::kFloat32, 1);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  ASSERT_TRUE(stream_all(live.stub(), open, samples, 8));
  open.set_rank(1);
  open.mutable_key()->set_split("train");
  open.mutable_key()->set_layer("features");
  open.set_label_type(v1::LABEL_TYPE_UNSPECIFIED);
  open.set_nonfinite(v1::NONFINITE_POLICY_REFUSE);
  open.set_ignore_index(-100);
  open.set_weighting(v1::WEIGHTING_UNIFORM);
  open.set_profile("default");
  const auto closed = stream_all(live.stub(), open, samples, 8);
  EXPECT_TRUE(closed && closed->has_report());
}

TEST(Open, OpenedTellsTheLimitAndTheVersion) {
  LiveServer live([](server::ServerOptions& o) { o.limits.max_message_bytes = 1 << 20; });
  const Samples samples = make_samples(20, 4, 3, DType::kFloat32, 1);
  StreamCall call(live.stub());
  const auto opened = call.open(open_for(samples));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 0u);
  EXPECT_EQ(opened->max_message_bytes(), 1u << 20);
  EXPECT_EQ(opened->server_version(), NCSCOPE_VERSION);
}

}  // namespace
}  // namespace ncscope::testing
