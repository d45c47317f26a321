// SPDX-License-Identifier: GPL-3.0-or-later
// Which weights decay, by their names.
#include "engine/optim/decay_rule.h"

#include <QtTest>

using namespace luthier;

class TestDecayRule : public QObject {
  Q_OBJECT

 private slots:
  void decay_spares_biases_and_norms() {
    QVERIFY(decays("model.language_model.layers.0.self_attn.q_proj.weight", false));
    QVERIFY(decays("base_model.model.model.layers.0.q_proj.lora_A.weight", false));
    QVERIFY(decays("model.vision_tower.embeddings.class_embedding", false));
    QVERIFY(decays("model.normal.weight", false));
    QVERIFY(!decays("model.vision_tower.layers.0.layer_norm1.weight", true));
    QVERIFY(!decays("x.in_proj_bias", false));
    QVERIFY(!decays("model.language_model.layers.0.input_layernorm.weight", false));
    QVERIFY(!decays("model.language_model.norm.weight", false));
    QVERIFY(!decays("layers.0.self_attn.q_norm.weight", false));
  }
};

QTEST_APPLESS_MAIN(TestDecayRule)
#include "test_decay_rule.moc"
