// SPDX-License-Identifier: GPL-3.0-or-later
// Visual prompts: where their tokens stand and where they are gone, how they start, and who has no
// place for them.
#include "engine/methods/routed_adapters.h"
#include "engine/methods/visual_prompts.h"
#include "engine/models/vision_tower.h"
#include "engine/train/strategy.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

const std::string kTower = "base_model.model.model.vision_tower.";

/// A tower of CLIP's kind (with a norm before its blocks) or of SigLIP's, all weights drawn.
VisionTower drawn_tower(bool clip) {
  VisionTowerOptions options;
  options.hidden_size = 16, options.intermediate_size = 24, options.num_hidden_layers = 3;
  options.num_attention_heads = 2, options.image_height = options.image_width = 12;
  options.patch_size = 4;
  options.class_embedding = options.pre_norm = clip;
  options.patch_bias = !clip;
  VisionTower tower(options, torch::TensorOptions().dtype(torch::kFloat32));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(4);
  const torch::NoGradGuard no_grad;
  for (Tensor& tensor : tower->parameters()) tensor.normal_(0, 0.4, generator);
  return tower;
}

Tensor drawn(std::vector<std::int64_t> shape, std::uint64_t seed) {
  return torch::empty(shape, torch::kFloat32)
      .normal_(0, 1, at::make_generator<at::CPUGeneratorImpl>(seed));
}

/// One frame's tokens through one block of the tower, from its tensors alone.
Tensor block(const VisionTower& tower, int number, const Tensor& x) {
  const auto named = tower->named_parameters();
  const std::string root = "encoder.layers." + std::to_string(number) + ".";
  const auto t = [&](const std::string& name) { return named[root + name]; };
  const auto linear = [&](const Tensor& in, const std::string& name) {
    return at::linear(in, t(name + ".weight"), t(name + ".bias"));
  };
  const auto norm = [&](const Tensor& in, const std::string& name) {
    return at::layer_norm(in, {in.size(-1)}, t(name + ".weight"), t(name + ".bias"),
                          tower->options.layer_norm_eps);
  };
  const std::int64_t tokens = x.size(0), heads = tower->options.num_attention_heads;
  const Tensor in = norm(x, "layer_norm1");
  const auto split = [&](const Tensor& y) {
    return y.view({tokens, heads, -1}).transpose(0, 1);  // [heads, tokens, size]
  };
  const Tensor q = split(linear(in, "self_attn.q_proj")), k = split(linear(in, "self_attn.k_proj")),
               v = split(linear(in, "self_attn.v_proj"));
  const Tensor shares =
      at::softmax(at::matmul(q, k.transpose(1, 2)) / std::sqrt(double(q.size(2))), -1);
  const Tensor mixed = at::matmul(shares, v).transpose(0, 1).reshape({tokens, -1});
  const Tensor attended = x + linear(mixed, "self_attn.out_proj");
  const Tensor inner = linear(norm(attended, "layer_norm2"), "mlp.fc1");
  return attended + linear(inner * at::sigmoid(inner * 1.702), "mlp.fc2");
}

}  // namespace

class TestVisualPrompts : public QObject {
  Q_OBJECT

  MethodBase base_;

  std::shared_ptr<Adapter> make(LoadedModel& loaded, const std::vector<std::string>& settings,
                                std::uint64_t seed = 1) {
    const Recipe recipe = base_.recipe("visual_prompt_tuning", settings);
    auto made = create_adapter(loaded, recipe.strategy, recipe.adapter, seed);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return made.take();
  }

 private slots:
  /// Every state after a block, against the block's formula written out with the tokens in front.
  void states_data() {
    QTest::addColumn<bool>("clip");
    QTest::addColumn<bool>("deep");
    QTest::newRow("clip, shallow") << true << false;
    QTest::newRow("clip, deep") << true << true;
    QTest::newRow("siglip, shallow") << false << false;
    QTest::newRow("siglip, deep") << false << true;
  }
  void states() {
    QFETCH(bool, clip);
    QFETCH(bool, deep);
    const torch::NoGradGuard no_grad;
    VisionTower tower = drawn_tower(clip);
    const Tensor pixels = drawn({2, 3, 12, 12}, 5), first = drawn({5, 16}, 6),
                 later = deep ? drawn({2, 5, 16}, 7) : Tensor();
    const Tensor plain = tower->forward(pixels, {3}).front();
    const Tensor start = tower->forward(pixels, {0}).front();  // [frames, tokens, width]
    const VisualPromptPlug plug(first, later);
    tower->patch_plug = &plug;
    const std::vector<Tensor> got = tower->forward(pixels, {0, 1, 2, 3});
    const Tensor last = tower->last_hidden_state(pixels);
    tower->patch_plug = nullptr;
    QVERIFY(torch::equal(got[0], start));
    for (std::int64_t frame = 0; frame < 2; ++frame) {
      Tensor x = start[frame];
      for (int number = 0; number < 3; ++number) {
        if (number == 0)
          x = at::cat({first, x});
        else if (deep)
          x = at::cat({later[number - 1], x.slice(0, 5)});
        x = block(tower, number, x);
        QVERIFY(far(got[static_cast<std::size_t>(number) + 1][frame], x.slice(0, 5)) < 1e-5);
      }
    }
    QVERIFY2(far(got[3], plain) > 1e-2, "the case is blind");
    QCOMPARE(last.sizes(), plain.sizes());
    QVERIFY(torch::equal(tower->forward(pixels, {3}).front(), plain));
  }

  void start() {
    LoadedModel loaded = base_.load();
    const auto shallow = make(loaded, {"adapter.num_virtual_tokens=300"})->tensors();
    QCOMPARE(shallow.size(), std::size_t{1});
    QCOMPARE(shallow.front().first, kTower + "prompt_embeddings");
    QCOMPARE(shallow.front().second.sizes().vec(), (std::vector<std::int64_t>{300, 32}));
    const double bound = std::sqrt(6.0 / (3 * 14 * 14 + 32));
    const double largest = shallow.front().second.abs().max().item<double>();
    QVERIFY(largest <= bound && largest > 0.99 * bound);
    QVERIFY(std::abs(shallow.front().second.mean().item<double>()) < 0.05 * bound);
    const auto deep = make(loaded, {"adapter.prompt_depth=deep"})->tensors();
    QCOMPARE(deep.size(), std::size_t{2});
    QCOMPARE(deep.front().first, kTower + "deep_prompt_embeddings");
    QCOMPARE(deep.front().second.sizes().vec(), (std::vector<std::int64_t>{2, 20, 32}));
    const auto other = make(loaded, {"adapter.prompt_depth=deep"}, 2)->tensors();
    QVERIFY(!torch::equal(deep.front().second, other.front().second));
  }

  /// The tower trains: its features are made anew in each step. A row without a picture does not
  /// meet the tokens.
  void trains_the_tower() {
    LoadedModel loaded = base_.load();
    const auto made = apply_strategy(loaded, base_.recipe("visual_prompt_tuning"));
    QVERIFY(made);
    QVERIFY(!made->tower_fixed);
    QCOMPARE(made->tensors.size(), std::size_t{1});
    QCOMPARE(made->tensors.front().part, std::string("vision_tower"));
    QVERIFY(made->tensors.front().decay);
    const Tensor words = logits_of(*loaded.model), shown_with = logits_with_picture(loaded);
    made->adapter->deactivate();
    QVERIFY(torch::equal(logits_of(*loaded.model), words));
    QVERIFY(!torch::equal(logits_with_picture(loaded), shown_with));
  }

  void has_a_batch_to_itself() {
    LoadedModel loaded = base_.load();
    QVERIFY(!RoutedAdapters::can_route(*make(loaded, {})));
  }

  /// In every family of the tests: a place in the tower, or a sentence why there is none, by the
  /// summary as by the model.
  void families() {
    int takes = 0, refuses = 0, has_none = 0;
    for (const auto& entry :
         fs::directory_iterator(fs::path(LUTHIER_TEST_DATA) / "models" / "families")) {
      const auto summary = summarize_model(entry.path());
      QVERIFY2(summary, entry.path().c_str());
      Recipe recipe = base_.recipe("visual_prompt_tuning", {"adapter.prompt_depth=deep"});
      recipe.model = entry.path().string();
      const auto planned = planned_selection(*summary, recipe);
      if (planned) {
        QCOMPARE(planned->wrapped.size(), std::size_t{1});
        QCOMPARE(planned->wrapped.front().share.parameters,
                 20 * summary->geometry.vision_hidden_size * summary->geometry.vision_layers);
        ++takes;
        continue;
      }
      QCOMPARE(planned.error().where, std::string("strategy"));
      const std::string& why = planned.error().what;
      if (summary->geometry.vision_layers > 0) {
        QVERIFY2(why.find("rows and columns") != std::string::npos ||
                     why.find("as many patches") != std::string::npos ||
                     why.find("no picture tower whose patches") != std::string::npos,
                 why.c_str());
        ++refuses;
      } else {
        QVERIFY2(why.find("no picture tower") != std::string::npos, why.c_str());
        ++has_none;
      }
    }
    QVERIFY2(takes >= 8 && refuses >= 5 && has_none >= 6,
             qPrintable(QString("%1, %2, %3").arg(takes).arg(refuses).arg(has_none)));
  }

  void folders_that_do_not_fit() {
    LoadedModel loaded = base_.load();
    const fs::path folder = base_.made("visual");
    QVERIFY(make(loaded, {"adapter.num_virtual_tokens=3"})->save(folder, "base"));
    Json config = *read_json_file(folder / "adapter_config.json");
    QCOMPARE(config["peft_type"], Json("VISUAL_PROMPT_TUNING"));
    QCOMPARE(config["prompt_depth"], Json("shallow"));
    QCOMPARE(config["token_dim"], Json(32));
    const auto refused = [&](const char* key, const Json& value, const std::string& words) {
      Json changed = config;
      changed[key] = value;
      write_text(folder / "adapter_config.json", changed.dump());
      const auto loaded_again = load_adapter(loaded, folder);
      return !loaded_again && loaded_again.error().sentence().find(words) != std::string::npos;
    };
    QVERIFY(refused("num_virtual_tokens", 4, "[4, 32]"));
    QVERIFY(refused("prompt_depth", "deep", "deep_prompt_embeddings is missing"));
    QVERIFY(refused("prompt_depth", "deeper", "prompt_depth"));
  }
};

QTEST_GUILESS_MAIN(TestVisualPrompts)
#include "test_visual_prompts.moc"
