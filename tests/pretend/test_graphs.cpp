// SPDX-License-Identifier: GPL-3.0-or-later
// Work that is recorded and replayed. Decoding: in every family that writes its text on, recorded
// steps choose the tokens of steps that are launched piece by piece, with adapters, windows and
// prompts of pictures, in batches whose rows end one after another; a step is one launch and one
// copy down. And what cannot be recorded is found out, told and done as it is.
#include "engine/check/tiny_models.h"
#include "engine/check/tuning.h"
#include "engine/device/graph.h"
#include "engine/generate/generate.h"
#include "engine/train/strategy.h"
#include "tests/pretend/own_kernels.h"
#include "tests/pretend/pretend.h"
#include "tests/pretend/tuned.h"
#include "tests/pretend/watched_recorder.h"
#include "tests/rounds.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using pretend::Listener;
using pretend::Watched;
using torch::Tensor;

namespace {

struct Answers {
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<double> logprobs;
  std::vector<std::string> finished;
};

Answers answers_of(const LoadedModel& loaded, const std::vector<Example>& prompts,
                   const GenerationOptions& options) {
  const auto made = generate(loaded, prompts, options);
  if (!made) qFatal("%s", made.error().sentence().c_str());
  Answers answers;
  for (const Generated& each : *made) {
    answers.ids.emplace_back();
    for (const AnswerToken& token : each.tokens) {
      answers.ids.back().push_back(token.id);
      answers.logprobs.push_back(token.logprob);
    }
    answers.finished.push_back(each.finish);
  }
  return answers;
}

void verify_alike(const Answers& found, const Answers& wanted, double apart = 2e-5) {
  QCOMPARE(found.ids, wanted.ids);
  QCOMPARE(found.finished, wanted.finished);
  for (std::size_t i = 0; i < wanted.logprobs.size(); ++i)
    QVERIFY2(std::abs(found.logprobs[i] - wanted.logprobs[i]) < apart,
             qPrintable(QString("%1 %2").arg(found.logprobs[i]).arg(wanted.logprobs[i])));
}

GenerationOptions greedy(bool recorded, std::int64_t tokens = 20) {
  GenerationOptions options;
  options.max_new_tokens = tokens;
  options.ignore_eos = true;
  options.alternatives = 2;
  options.recorded = recorded;
  return options;
}

/// Prompts of words, of one length.
std::vector<Example> texts(std::int64_t count, std::int64_t length) {
  std::vector<Example> prompts(static_cast<std::size_t>(count));
  for (std::int64_t row = 0; row < count; ++row)
    for (std::int64_t i = 0; i < length; ++i)
      prompts[static_cast<std::size_t>(row)].input_ids.push_back(3 + (i * 7 + row * 29) % 100);
  for (Example& prompt : prompts) prompt.prompt_tokens = length;
  return prompts;
}

const Family& family_of(const std::string& name) {
  for (const Family& family : families())
    if (family.model_type == name) return family;
  qFatal("no family %s", name.c_str());
}

}  // namespace

class TestGraphs : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
    auto loaded =
        load_processor(std::filesystem::path(LUTHIER_SOURCE_DIR) / "resources/teaching/base", {});
    QVERIFY(loaded.ok());
    processor_ = loaded.take();
  }
  void cleanup() { pretend::let_flash(true); }

  void recorded_steps_answer_as_others_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("how");
    std::size_t turn = 0;
    for (const Family& family : families()) {
      const auto model = tiny_model(family);
      // No step of two texts is recorded.
      if (!model || model->objective != "sft" || model->start >= 0) continue;
      const std::string name = family.model_type;
      for (const char* how : {"base", "lora", "no flash attention", "own kernels"})
        if (how != std::string("own kernels") || test::in_this_round(turn++, 3))
          QTest::newRow((name + ", " + how).c_str()) << QString::fromStdString(name) << how;
    }
    for (const char* how : {"prefix_tuning", "prompt_tuning"}) QTest::newRow(how) << "llama" << how;
  }
  void recorded_steps_answer_as_others() {
    QFETCH(QString, name);
    QFETCH(QString, how);
    pretend::let_flash(how != "no flash attention");
    std::unique_ptr<pretend::OwnKernels> own;
    if (how == "own kernels") own = std::make_unique<pretend::OwnKernels>();
    const TinyModel model = tiny_model(family_of(name.toStdString())).take();
    LoadedModel loaded = made(model);
    Trainables trained;
    if (how == "lora" || how.endsWith("tuning")) {
      trained =
          apply_strategy(loaded, recipe_without_files({"strategy=" + how.toStdString(),
                                                       "training.gradient_checkpointing=false"})
                                     .take())
              .take();
      const torch::NoGradGuard no_grad;
      for (TrainedTensor& each : trained.tensors)
        each.tensor.add_(0.05);  // what begins at zero has its say too
      trained.adapter->set_training(false, 0);
    }
    const auto prompts = tiny_prompts(model);
    const Answers launched = answers_of(loaded, prompts, greedy(false));
    const Watched watched;
    // Two orders of sums are up to 2.8e-5 and 2.2e-5 from float64 in a small GLM with an adapter.
    const bool magnifies = std::string(model.family->model_type).starts_with("glm4");
    verify_alike(answers_of(loaded, prompts, greedy(true)), launched, magnifies ? 6e-5 : 2e-5);
    // A batch of two prompts and one of one, of one room or of two; this Idefics3's positions go by
    // the length, experts ask the host how many tokens each gets, states are carried row by row,
    // and rows look across to pictures.
    const bool by_host = name == "idefics" || name == "idefics3" || name == "mllama" ||
                         name == "qwen3_vl_moe" || name == "deepseek_ocr2" ||
                         name.startsWith("qwen3_5") || name.startsWith("lfm2") ||
                         name == "minicpmv4_6";
    const int recordings = by_host ? 0 : 2;
    QCOMPARE(watched.recorded, recordings);
    QCOMPARE(watched.asked, recordings);
    // LayerNorms, which are ATen's
    const bool centred = name == "cohere2" || name == "aya_vision" || name == "gpt2" ||
                         name == "opt" || name == "blip-2" || name == "persimmon" ||
                         name == "fuyu" || name == "clipcap";
    if (own) QCOMPARE(own->launches().contains("rms_norm_forward_float"), !centred);
  }

  void a_recorded_step_is_one_launch_data() {
    QTest::addColumn<double>("temperature");
    QTest::addColumn<int>("up");
    // The most likely token stays on the device; one that is drawn goes up to it.
    QTest::newRow("greedy") << 0.0 << 0;
    QTest::newRow("drawn") << 1.0 << 1;
  }
  void a_recorded_step_is_one_launch() {
    QFETCH(double, temperature);
    QFETCH(int, up);
    constexpr std::int64_t kFew = 20, kMore = 10;
    const LoadedModel loaded = made(tiny_model(family_of("qwen2")).take());
    const auto asked = [&](bool recorded, std::int64_t tokens) {
      GenerationOptions options = greedy(recorded, tokens);
      options.temperature = temperature;
      options.top_p = 0.2;  // which the tokens that are sent decide
      pretend::reset_counts();
      (void)answers_of(loaded, texts(3, 12), options);
      return pretend::counts();
    };
    (void)asked(false, kFew);  // what is brought to the device once
    for (const bool recorded : {false, true}) {
      const pretend::Counts few = asked(recorded, kFew), more = asked(recorded, kFew + kMore);
      const std::int64_t launches = (more.kernels - few.kernels) / kMore;
      qInfo("%s: a step %lld launches, %lld up, %lld down, %lld waits",
            recorded ? "recorded" : "piece by piece", (long long)launches,
            (long long)(more.up - few.up) / kMore, (long long)(more.down - few.down) / kMore,
            (long long)(more.waits - few.waits));
      QCOMPARE(more.up - few.up, up * kMore);
      QCOMPARE(more.down - few.down, kMore);
      QCOMPARE(more.waits - few.waits, 0);
      // A drawn token is put where the recording reads it.
      if (recorded)
        QCOMPARE(more.kernels - few.kernels, (1 + up) * kMore);
      else
        QVERIFY(launches > 40);
    }
  }

  void rows_end_one_after_another() {
    const LoadedModel plain = made(tiny_model(family_of("qwen3_vl")).take());
    const auto prompts = texts(7, 14);
    const Answers whole = answers_of(plain, prompts, greedy(false, 40));
    // Ends that rows come to at different times, some of them early.
    LoadedModel loaded = plain;
    for (const std::size_t row : {0u, 2u, 3u, 5u})
      loaded.eos_ids.push_back(whole.ids[row][4 + 6 * row]);
    for (const double temperature : {0.0, 0.8}) {
      GenerationOptions options = greedy(false, 40);
      options.ignore_eos = false, options.temperature = temperature;
      const Answers launched = answers_of(loaded, prompts, options);
      std::set<std::size_t> lengths;
      for (const auto& ids : launched.ids) lengths.insert(ids.size());
      QVERIFY(lengths.size() > 2);
      const Watched watched;
      options.recorded = true;
      verify_alike(answers_of(loaded, prompts, options), launched);
      qInfo("%d recordings for %d lengths", watched.recorded, static_cast<int>(lengths.size()));
      QVERIFY(watched.recorded >= 1 && watched.recorded <= 3);  // of 7 rows, then at most 3, then 1
    }
  }

  void drawn_tokens_are_the_cpus_data() {
    QTest::addColumn<double>("top_p");
    QTest::newRow("of all") << 1.0;
    QTest::newRow("of the likely") << 0.8;
  }
  void drawn_tokens_are_the_cpus() {
    QFETCH(double, top_p);
    const TinyModel model = tiny_model(family_of("llama")).take();
    GenerationOptions options = greedy(false, 30);
    options.temperature = 0.9, options.top_p = top_p;
    const auto prompts = texts(4, 11);
    const Answers here = answers_of(made(model, torch::kCPU), prompts, options);
    const LoadedModel loaded = made(model);
    verify_alike(answers_of(loaded, prompts, options), here);
    options.recorded = true;
    verify_alike(answers_of(loaded, prompts, options), here);
  }

  void recordings_are_shared_by_batches_of_one_room() {
    const LoadedModel loaded = made(tiny_model(family_of("gemma3")).take());
    std::vector<Example> prompts;
    for (const std::int64_t length : {9, 12, 14, 20, 31})
      for (const Example& each : texts(2, length)) prompts.push_back(each);
    const Answers launched = answers_of(loaded, prompts, greedy(false));
    const Watched watched;
    verify_alike(answers_of(loaded, prompts, greedy(true)), launched);
    QCOMPARE(watched.recorded, 1);
  }

  void positions_that_go_by_the_length_are_not_recorded() {
    TinyModel model = tiny_model(family_of("llama")).take();
    model.config["max_position_embeddings"] = 16;
    model.config["rope_scaling"] = {{"rope_type", "dynamic"}, {"factor", 2.0}};
    model.config.erase("rope_parameters");
    const LoadedModel loaded = made(model);
    const Answers launched = answers_of(loaded, texts(2, 12), greedy(false));
    const Watched watched;
    verify_alike(answers_of(loaded, texts(2, 12), greedy(true)), launched);
    QCOMPARE(watched.asked, 0);
  }

  void a_device_that_refuses_answers_all_the_same() {
    const LoadedModel loaded = made(tiny_model(family_of("llama")).take());
    const Answers launched = answers_of(loaded, texts(3, 12), greedy(false));
    const Watched watched(/*refuses=*/true);
    verify_alike(answers_of(loaded, texts(3, 12), greedy(true)), launched);
    QVERIFY(watched.asked == 1 && watched.recorded == 0);
  }

  void without_memory_for_it_answers_come_all_the_same() {
    const LoadedModel loaded = made(tiny_model(family_of("llama")).take());
    const Answers launched = answers_of(loaded, texts(3, 12), greedy(false));
    const std::int64_t before = pretend::live_bytes();
    pretend::reset_peak();
    (void)answers_of(loaded, texts(3, 12), greedy(false));
    // As much as the other way takes, and none for another cache.
    pretend::fail_above(pretend::peak_bytes() + 1024);
    const Watched watched;
    const Answers found = answers_of(loaded, texts(3, 12), greedy(true));
    pretend::fail_above(0);
    verify_alike(found, launched);
    QCOMPARE(watched.asked, 0);
    QCOMPARE(pretend::live_bytes(), before);
  }

  void what_it_holds_are_addresses_and_numbers() {
    const auto numbers = torch::TensorOptions().device(pretend::device()).dtype(torch::kFloat32);
    Tensor x = torch::full({3}, 1.0, numbers);
    const Tensor stays = x, y = torch::zeros({3}, numbers);
    double factor = 2;
    {
      DeviceGraph graph(pretend::device(), [&] { y.copy_(x * factor + 1); });
      graph.run();
      QVERIFY(!graph.recorded());
      graph.run();
      QVERIFY(graph.recorded());
      QCOMPARE(y.cpu()[0].item<double>(), 3.0);
      factor = 100;                         // a number of the host: as it was
      x = torch::full({3}, 50.0, numbers);  // another tensor: the old one is read
      stays.fill_(7);                       // what stands in memory: as it is
      pretend::reset_counts();
      graph.run();
      QCOMPARE(pretend::counts().kernels, 1);
      QCOMPARE(y.cpu()[0].item<double>(), 15.0);
      // Memory in between is the recording's own.
      const Tensor other = torch::full({3}, -1.0, numbers);
      graph.run();
      QCOMPARE(other.cpu()[0].item<double>(), -1.0);
    }
  }

  void what_the_host_waits_for_is_not_recorded_data() {
    QTest::addColumn<int>("fault");
    QTest::addColumn<QString>("says");
    QTest::newRow("a number that is read") << 0 << "A recording cannot hold a wait (item)";
    QTest::newRow("a copy up") << 1 << "a copy from memory that is not pinned";
    QTest::newRow("a copy down") << 2 << "a copy to the host";
    QTest::newRow("a size by value") << 3 << "a wait (nonzero)";
  }
  void what_the_host_waits_for_is_not_recorded() {
    QFETCH(int, fault);
    QFETCH(QString, says);
    const auto numbers = torch::TensorOptions().device(pretend::device()).dtype(torch::kFloat32);
    const Tensor x = torch::full({3}, 2.0, numbers), y = torch::zeros({3}, numbers);
    const auto work = [&] {
      if (fault == 0) y.copy_(x * x.sum().item<double>());
      if (fault == 1) y.copy_(x * torch::full({3}, 6.0).to(x.device()));
      if (fault == 2) y.copy_(x * (x.cpu().sum().item<double>() * 1.0));
      if (fault == 3) y.copy_(x * static_cast<double>(2 * x.nonzero().size(0)));
    };
    try {
      (void)graph_recorder(c10::DeviceType::PrivateUse1)->record(pretend::device(), work, {});
      QFAIL("it was recorded");
    } catch (const std::exception& refusal) {
      QVERIFY2(QString(refusal.what()).contains(says), refusal.what());
    }
    DeviceGraph graph(pretend::device(), work);
    for (int i = 0; i < 4; ++i) {
      y.zero_();
      graph.run();
      QCOMPARE(y.cpu()[0].item<double>(), 12.0);
    }
    QVERIFY(!graph.recorded());
  }

  void a_refusal_is_told_once() {
    // Told before by another test of this process, or now.
    const Listener listener;
    const Tensor x =
        torch::ones({3}, torch::TensorOptions().device(pretend::device()).dtype(torch::kFloat32));
    for (int turn = 0; turn < 2; ++turn) {
      DeviceGraph graph(pretend::device(), [&] { (void)x.sum().item<double>(); });
      for (int i = 0; i < 3; ++i) graph.run();
    }
    QVERIFY(listener.lines.size() <= 1);
    for (const std::string& line : listener.lines)
      QVERIFY2(line.find("cannot be recorded") != std::string::npos, line.c_str());
  }

  void failures_of_the_work_are_its_own() {
    int calls = 0;
    DeviceGraph graph(pretend::device(), [&] {
      ++calls;
      TORCH_CHECK(calls < 2, "mat1 and mat2 shapes cannot be multiplied");
    });
    graph.run();
    QVERIFY_EXCEPTION_THROWN(graph.run(), c10::Error);
  }

 private:
  LoadedModel made(const TinyModel& model, torch::Device device = pretend::device()) {
    const auto tensors = torch::TensorOptions().device(device).dtype(torch::kFloat32);
    LoadedModel loaded = drawn(model, tensors, torch::kFloat32, processor_).take();
    // Wider, so that answers do not stay at one token.
    const torch::NoGradGuard no_grad;
    for (Tensor& tensor : loaded.model->parameters())
      if (tensor.dim() > 1) tensor.mul_(3);
    return loaded;
  }

  std::shared_ptr<const ChatProcessor> processor_;
};

QTEST_GUILESS_MAIN(TestGraphs)
#include "test_graphs.moc"
