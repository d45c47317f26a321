// SPDX-License-Identifier: GPL-3.0-or-later
// Which card is taken, over a table of machines that people have: old cards and drivers, full ones,
// several, none; and what is said of it.
#include "engine/device/card_choice.h"

#include <QtTest>

using namespace luthier;

namespace {

constexpr std::int64_t kGib = std::int64_t{1} << 30;

CardFacts card(const std::string& name, int capability, std::int64_t total, std::int64_t free) {
  return {name, capability, total * kGib, free < 0 ? -1 : free * kGib / 10, 0, false};
}
// Free memory in tenths of a gibibyte.
const CardFacts kH100 = card("NVIDIA H100 80GB HBM3", 90, 80, 790);
const CardFacts kAmpere = card("NVIDIA GeForce RTX 3090", 86, 24, 231);
const CardFacts kBusyAmpere = card("NVIDIA GeForce RTX 3090", 86, 24, 40);
const CardFacts kFullAmpere = card("NVIDIA GeForce RTX 3090", 86, 24, 3);
const CardFacts kTuring = card("Tesla T4", 75, 15, 146);
const CardFacts kPascal = card("NVIDIA GeForce GTX 1080", 61, 8, 78);

/// A machine where all is well: a driver for CUDA 13, LibTorch for 13.0.
DeviceFacts machine(std::vector<CardFacts> cards) {
  DeviceFacts facts;
  facts.node = facts.driver_found = true;
  facts.driver_cuda = 13000;
  facts.driver_version = "580.65.06";
  facts.torch_half = DeviceFacts::TorchHalf::Answers;
  facts.torch_cuda = 13000;
  facts.torch_cards = static_cast<int>(cards.size());
  facts.cards = std::move(cards);
  return facts;
}

DeviceFacts old_driver() {
  DeviceFacts facts = machine({kAmpere});
  facts.driver_cuda = 12040;
  facts.driver_version = "550.54.15";
  facts.torch_cards = 0;
  return facts;
}

DeviceFacts driver_that_answers(int error) {
  DeviceFacts facts = machine({});
  facts.driver_error = error;
  facts.driver_call = "cuInit";
  return facts;
}

DeviceFacts hidden(const std::string& visible) {
  DeviceFacts facts = driver_that_answers(100);
  facts.visible_devices = visible;
  return facts;
}

DeviceFacts with_half(DeviceFacts::TorchHalf half) {
  DeviceFacts facts = machine({kAmpere});
  facts.torch_half = half;
  facts.torch_problem = "libcudart.so.13: cannot open shared object file";
  facts.torch_cuda = facts.torch_cards = 0;
  return facts;
}

DeviceFacts nothing() { return {}; }

DeviceFacts broken_driver() {
  DeviceFacts facts;
  facts.node = true;
  facts.driver_problem = "libcuda.so.1: cannot open shared object file";
  return facts;
}

}  // namespace

class TestCardChoice : public QObject {
  Q_OBJECT

 private slots:
  void a_machine_decides_data() {
    QTest::addColumn<DeviceFacts>("facts");
    QTest::addColumn<QString>("name");
    QTest::addColumn<int>("taken");     // -1: the CPU; -2: refused
    QTest::addColumn<QString>("told");  // of the note or the error; empty: silence
    const auto row = [](const char* what, const DeviceFacts& facts, const char* name, int taken,
                        const char* told) {
      QTest::newRow(what) << facts << QString(name) << taken << QString(told);
    };
    constexpr int kCpu = -1, kRefused = -2;
    row("a modern card", machine({kAmpere}), "auto", 0, "");
    row("a modern card, named", machine({kAmpere}), "cuda:0", 0, "");
    row("the CPU is always there", machine({kAmpere}), "cpu", kCpu, "");
    row(
        "a driver of the next generation",
        [] {
          DeviceFacts facts = machine({kAmpere});
          facts.driver_cuda = 14010;
          return facts;
        }(),
        "auto", 0, "");
    row(
        "a minor version behind",
        [] {
          DeviceFacts facts = machine({kAmpere});
          facts.torch_cuda = 13020;
          return facts;
        }(),
        "auto", 0, "");

    row("no card", nothing(), "auto", kCpu, "");
    row("no card, named", nothing(), "cuda", kRefused, "There is no NVIDIA card");
    row("a driver without a card", driver_that_answers(100), "auto", kCpu, "");
    row("a device without a driver", broken_driver(), "auto", kCpu, "libcuda.so.1: cannot open");
    row("a device without a driver, named", broken_driver(), "cuda:0", kRefused,
        "Install the driver's libcuda");

    row("an old driver", old_driver(), "auto", kCpu,
        "The NVIDIA driver 550.54.15 is too old for this LibTorch: it knows CUDA 12.4, and CUDA "
        "13.0 is needed. The CPU computes instead. Install driver 580 or newer.");
    row("an old driver, named", old_driver(), "cuda", kRefused, "Install driver 580 or newer.");
    row(
        "an old driver of unknown version",
        [] {
          DeviceFacts facts = old_driver();
          facts.driver_version.clear();
          return facts;
        }(),
        "cuda", kRefused, "The NVIDIA driver is too old for this LibTorch");
    row(
        "an old driver for LibTorch with CUDA 12.6",
        [] {
          DeviceFacts facts = machine({kAmpere});
          facts.driver_cuda = 11080;
          facts.torch_cuda = 12060;
          return facts;
        }(),
        "auto", kCpu, "Install driver 525 or newer.");
    row("a driver that fails", driver_that_answers(999), "auto", kCpu,
        "The NVIDIA driver does not answer (cuInit: CUDA error 999).");
    row("a driver that fails, named", driver_that_answers(999), "cuda", kRefused, "nvidia-smi");
    row("an updated driver", driver_that_answers(803), "auto", kCpu, "restart the machine");
    row("no fabric manager", driver_that_answers(802), "cuda", kRefused, "nvidia-fabricmanager");
    row("a stray compatibility library", driver_that_answers(804), "auto", kCpu, "LD_LIBRARY_PATH");

    row("LibTorch without CUDA", with_half(DeviceFacts::TorchHalf::Absent), "auto", kCpu,
        "There is an NVIDIA card (NVIDIA GeForce RTX 3090), but this LibTorch is without CUDA.");
    row("LibTorch without CUDA, named", with_half(DeviceFacts::TorchHalf::Absent), "cuda", kRefused,
        "Install LibTorch 2.11 with CUDA.");
    row("LibTorch's half cannot be loaded", with_half(DeviceFacts::TorchHalf::Broken), "auto", kCpu,
        "cannot be loaded (libcudart.so.13");
    row(
        "LibTorch sees nothing",
        [] {
          DeviceFacts facts = machine({kAmpere});
          facts.torch_cards = 0;
          return facts;
        }(),
        "auto", kCpu, "LibTorch does not see the card");
    row(
        "LibTorch sees one of two",
        [] {
          DeviceFacts facts = machine({kBusyAmpere, kAmpere});
          facts.torch_cards = 1;
          return facts;
        }(),
        "auto", 0, "Of 2 cards one can be used: cuda:0");

    row("hidden on purpose", hidden(""), "auto", kCpu, "");
    row("hidden by -1", hidden("-1"), "auto", kCpu, "");
    row("hidden by a number that is not there", hidden("7"), "auto", kCpu,
        "CUDA_VISIBLE_DEVICES is \"7\" and leaves no card visible. The CPU computes instead.");
    // CUDA stops at the first name that is not there.
    const auto seeing = [](std::vector<CardFacts> cards, const char* visible) {
      DeviceFacts facts = machine(std::move(cards));
      facts.visible_devices = visible;
      return facts;
    };
    row("all that is named is there", seeing({kAmpere, kH100}, "1,0"), "cuda:0", 0, "");
    const CardFacts slice = card("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 80, 5, 47);
    row("a slice's name", seeing({slice}, "MIG-7f6e0c2c-9a3e-5d4b-8e21-0c1d2e3f4a5b"), "auto", 0,
        "");
    row("CUDA takes one slice of several", seeing({slice}, "MIG-7f6e0c2c,MIG-8f6e0c2c"), "cuda", 0,
        "");
    row("a comma too many", seeing({kAmpere}, "0,"), "auto", 0, "");
    row("an order that is cut short", seeing({kAmpere}, "1, 9,0"), "auto", 0,
        "CUDA_VISIBLE_DEVICES is \"1, 9,0\", but only 1 of its 3 cards can be seen: CUDA stops at "
        "the first that is not there.");
    row("cut short, named", seeing({kAmpere, kH100}, "0,1,7"), "cuda:1", 1,
        "but only 2 of its 3 cards can be seen");
    row("cut short, of several", seeing({kAmpere, kH100}, "0,1,7"), "auto", 1,
        "(79.0 GiB of 80.0 GiB). CUDA_VISIBLE_DEVICES is \"0,1,7\", but only 2 of its 3");
    row("hidden, but named", hidden(""), "cuda:0", kRefused,
        "CUDA_VISIBLE_DEVICES is \"\" and leaves no card visible.");
    row(
        "hidden, the driver says nothing of it",
        [] {
          DeviceFacts facts = machine({});
          facts.visible_devices = "x";
          return facts;
        }(),
        "auto", kCpu, "leaves no card visible");

    row("an old card", machine({kPascal}), "auto", kCpu,
        "NVIDIA GeForce GTX 1080 (sm_61) is too old: LibTorch has nothing for cards before sm_75. "
        "The CPU computes instead. Use a card of the Turing generation or newer.");
    row("an old card, named", machine({kPascal}), "cuda:0", kRefused, "is too old");
    row("the oldest card that goes", machine({kTuring}), "auto", 0, "");
    row("a full card", machine({kFullAmpere}), "auto", kCpu,
        "NVIDIA GeForce RTX 3090 is full: 307.2 MiB of 24.0 GiB are free. The CPU computes "
        "instead. Close what uses it; `nvidia-smi` names it.");
    row("a full card, named", machine({kFullAmpere}), "cuda:0", kRefused, "is full");
    row(
        "full of this process's own",
        [] {
          DeviceFacts facts = machine({kFullAmpere});
          facts.cards[0].held = 20 * kGib;
          return facts;
        }(),
        "auto", 0, "");
    const auto closed = [](CardFacts of) {
      of.closed = true;
      return of;
    };
    row("a closed card", machine({closed(kH100)}), "auto", kCpu,
        "NVIDIA H100 80GB HBM3 takes no programs: its compute mode is Prohibited. The CPU computes "
        "instead.");
    row("a closed card, named", machine({closed(kH100)}), "cuda:0", kRefused, "nvidia-smi -c 0");
    row("a closed one is left out", machine({closed(kH100), kAmpere}), "auto", 1,
        "Of 2 cards one can be used: cuda:1, NVIDIA GeForce RTX 3090. NVIDIA H100 80GB HBM3 takes "
        "no programs");
    row("nobody says what is free", machine({card("NVIDIA GB10", 121, 119, -1)}), "auto", 0, "");

    row("the one with most free", machine({kBusyAmpere, kH100, kAmpere}), "auto", 1,
        "Of 3 cards the one with most free memory is taken: cuda:1, NVIDIA H100 80GB HBM3 (79.0 "
        "GiB of 80.0 GiB).");
    row("cuda is the best one too", machine({kBusyAmpere, kAmpere}), "cuda", 1, "cuda:1");
    row("a named one is that one", machine({kBusyAmpere, kAmpere}), "cuda:0", 0, "");
    row("alike: the first", machine({kAmpere, kAmpere}), "auto", 0, "cuda:0");
    row(
        "where this process works already",
        [] {
          DeviceFacts facts = machine({kAmpere, kBusyAmpere});
          facts.cards[1].held = 3 * kGib;
          return facts;
        }(),
        "auto", 1, "cuda:1");
    row(
        "a look at one of two equal cards decides nothing",
        [] {
          DeviceFacts facts = machine({kAmpere, kAmpere});
          facts.cards[1].free += kGib / 2;  // of the first, this process's context has half
          facts.cards[0].context = true;
          return facts;
        }(),
        "auto", 0, "cuda:0");
    row(
        "but another one that is much freer does",
        [] {
          DeviceFacts facts = machine({kBusyAmpere, kAmpere});
          facts.cards[0].context = true;
          return facts;
        }(),
        "auto", 1, "cuda:1");
    row("by size where the driver does not say what is free",
        machine({card("small", 86, 12, 119), card("large", 86, 24, -1)}), "auto", 1,
        "cuda:1, large (24.0 GiB)");
    row("old and full ones are left out", machine({kPascal, kFullAmpere, kTuring}), "auto", 2,
        "Of 3 cards one can be used: cuda:2, Tesla T4. NVIDIA GeForce GTX 1080 (sm_61) is too old: "
        "LibTorch has nothing for cards before sm_75. NVIDIA GeForce RTX 3090 is full: 307.2 MiB "
        "of 24.0 GiB are free.");
    row("an old one is left out of several", machine({kPascal, kAmpere, kH100}), "auto", 2,
        "is taken: cuda:2, NVIDIA H100 80GB HBM3 (79.0 GiB of 80.0 GiB). NVIDIA GeForce GTX 1080");
    row("none of several", machine({kPascal, kFullAmpere}), "auto", kCpu,
        "is too old: LibTorch has nothing for cards before sm_75. NVIDIA GeForce RTX 3090 is full");
    row("none of several, asked for", machine({kPascal, kFullAmpere}), "cuda", kRefused, "is full");
    row(
        "an old driver beats everything",
        [] {
          DeviceFacts facts = old_driver();
          facts.cards = {kPascal, kFullAmpere};
          return facts;
        }(),
        "auto", kCpu, "driver 550.54.15 is too old");

    row("a number that is not there", machine({kAmpere}), "cuda:1", kRefused,
        "There is no CUDA device 1 on this machine.");
    row("what is there is said", machine({kAmpere, kH100}), "cuda:2", kRefused,
        "This machine has cuda:0 to cuda:1.");
    row(
        "and what hides the rest",
        [] {
          DeviceFacts facts = machine({kAmpere});
          facts.visible_devices = "3";
          return facts;
        }(),
        "cuda:3", kRefused, "CUDA_VISIBLE_DEVICES, which is \"3\", leaves cuda:0.");
    row("no device's name", machine({kAmpere}), "gpu", kRefused, "\"gpu\" is not a device.");
    row("no number", machine({kAmpere}), "cuda:", kRefused, "is not a device.");
    row("a number too long", machine({kAmpere}), "cuda:0000", kRefused, "is not a device.");
    row("a sign", machine({kAmpere}), "cuda:-1", kRefused, "is not a device.");

    DeviceFacts lost = machine({kAmpere});
    lost.lost = "an illegal memory access was encountered";
    row("lost", lost, "auto", kRefused, "Start the program anew.");
    row("lost, named", lost, "cuda:0", kRefused, "an illegal memory access was encountered");
    row("lost, and the CPU goes on", lost, "cpu", kCpu, "");
  }
  void a_machine_decides() {
    QFETCH(DeviceFacts, facts);
    QFETCH(QString, name);
    QFETCH(int, taken);
    QFETCH(QString, told);
    const auto choice = choose_card(name.toStdString(), facts);
    if (taken == -2) {
      QVERIFY(!choice.ok());
      const QString sentence = QString::fromStdString(choice.error().sentence());
      QVERIFY2(sentence.contains(told), qPrintable(sentence));
      QCOMPARE(choice.error().where, std::string("device"));
      QVERIFY(!choice.error().hint.empty());
      const bool mistyped = sentence.contains("is not a device");
      QCOMPARE(choice.error().exit_status(), mistyped ? 2 : 3);
      return;
    }
    QVERIFY2(choice.ok(), choice.ok() ? "" : choice.error().sentence().c_str());
    QCOMPARE(choice->card, taken);
    const QString note = QString::fromStdString(choice->note);
    QVERIFY2(told.isEmpty() ? note.isEmpty() : note.contains(told), qPrintable(note));
    // On the CPU for want of a card, or a card that is missed: a warning; which of several cards:
    // news.
    const bool missed = note.contains("can be seen");
    QCOMPARE(choice->warns, missed || (taken == -1 && !note.isEmpty()));
  }

  void the_type_follows_the_card_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<int>("capability");  // 0: the CPU
    QTest::addColumn<QString>("type");    // empty: refused
    QTest::newRow("auto, CPU") << "auto" << 0 << "float32";
    QTest::newRow("auto, Turing") << "auto" << 75 << "float32";
    QTest::newRow("auto, Ampere") << "auto" << 80 << "bfloat16";
    QTest::newRow("auto, Blackwell") << "auto" << 120 << "bfloat16";
    QTest::newRow("float32, Ampere") << "float32" << 86 << "float32";
    QTest::newRow("bfloat16, Ampere") << "bfloat16" << 86 << "bfloat16";
    QTest::newRow("bfloat16, CPU") << "bfloat16" << 0 << "bfloat16";
    QTest::newRow("bfloat16, Turing") << "bfloat16" << 75 << "";
    QTest::newRow("float16") << "float16" << 86 << "";
  }
  void the_type_follows_the_card() {
    QFETCH(QString, name);
    QFETCH(int, capability);
    QFETCH(QString, type);
    const CardFacts of{"Tesla T4", capability, kGib, kGib, 0, false};
    const CardFacts* facts = capability > 0 ? &of : nullptr;
    const auto chosen = choose_type(name.toStdString(), facts);
    QCOMPARE(chosen.ok(), !type.isEmpty());
    if (chosen) {
      QCOMPARE(QString::fromStdString(*chosen), type);
    } else {
      QCOMPARE(chosen.error().exit_status(), 2);
      if (name == "bfloat16")
        QVERIFY(chosen.error().sentence().find("Tesla T4 (sm_75) has no bfloat16.") !=
                std::string::npos);
    }
    const bool told = name == "auto" && capability == 75;
    QCOMPARE(
        type_note(name.toStdString(), facts, NarrowProducts::Tiles),
        std::string(told ? "Tesla T4 (sm_75) has no bfloat16: auto computes in float32." : ""));
  }

  // auto is float32 on every processor, and proposes what this one has.
  void the_type_on_a_processor_data() {
    QTest::addColumn<int>("products");
    QTest::addColumn<QString>("proposed");  // by auto
    QTest::addColumn<QString>("warned");    // of bfloat16
    const auto row = [](const char* name, NarrowProducts products, const char* proposed,
                        const char* warned) {
      QTest::newRow(name) << static_cast<int>(products) << proposed << warned;
    };
    row("AMX", NarrowProducts::Tiles,
        "This processor has instructions for bfloat16 (AMX): training.dtype: bfloat16 may train "
        "faster than float32, which auto keeps.",
        "");
    row("AVX512-BF16", NarrowProducts::Vectors,
        "This processor has instructions for bfloat16 (AVX512-BF16): training.dtype: bfloat16 may "
        "train faster than float32, which auto keeps.",
        "");
    row("neither", NarrowProducts::None, "",
        "This processor has no instructions for bfloat16: training in it can take many times as "
        "long as in float32.");
    row("not asked", NarrowProducts::Unknown, "", "");
  }
  void the_type_on_a_processor() {
    QFETCH(int, products);
    QFETCH(QString, proposed);
    QFETCH(QString, warned);
    const auto processor = static_cast<NarrowProducts>(products);
    QCOMPARE(QString::fromStdString(type_proposal("auto", processor)), proposed);
    QCOMPARE(QString::fromStdString(type_note("bfloat16", nullptr, processor)), warned);
    for (const char* name : {"float32", "bfloat16"})
      QVERIFY(type_proposal(name, processor).empty());
    for (const char* name : {"auto", "float32"})
      QVERIFY(type_note(name, nullptr, processor).empty());
    QCOMPARE(*choose_type("auto", nullptr), std::string("float32"));
  }
};

QTEST_GUILESS_MAIN(TestCardChoice)
#include "test_card_choice.moc"
