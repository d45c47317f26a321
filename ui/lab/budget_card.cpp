// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/budget_card.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QTableWidget>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/word_table.h"

namespace luthier {

namespace {
constexpr int kBudgetWidth = 140;
enum PlanColumn { kLaw, kPlanWeights, kPlanTokens, kEach, kPlanLoss, kPlanColumns };
}  // namespace

BudgetCard::BudgetCard(QWidget* parent) : Card(parent) {
  label_ = new QLabel(this);
  budget_ = new QLineEdit(QStringLiteral("1e15"), this);
  budget_->setObjectName(QStringLiteral("lawsBudget"));
  budget_->setMaximumWidth(scaled_length(kBudgetWidth));
  label_->setBuddy(budget_);
  head()->addWidget(label_);
  head()->addWidget(budget_);
  laws_ = table_of_words(kPlanColumns, QStringLiteral("lawsPlan"), this);
  body()->addWidget(laws_);
  connect(budget_, &QLineEdit::textChanged, this, &BudgetCard::ask);
  on_language(this, [this] { retranslate(); });
}

void BudgetCard::set_law(std::optional<LossLaw> law) {
  law_ = law;
  ask();
}

void BudgetCard::ask() {
  laws_->setRowCount(0);
  const auto flops = parse_amount(budget_->text().toStdString(), "");
  budget_->setToolTip(flops ? tr("5.76e23, or 400T") : error_text(flops.error()));
  set_ink(label_, flops ? Ink::Text : Ink::Error);
  if (!flops) return;
  const auto row = [this](const QString& law, const Allocation& best,
                          const std::optional<double>& loss) {
    const auto amount = [](double number) { return QString::fromStdString(amount_text(number)); };
    laws_->insertRow(laws_->rowCount());
    set_words(laws_, laws_->rowCount() - 1,
              {law, amount(best.weights), amount(best.tokens),
               number_text(best.tokens_per_weight(), 3), loss ? number_text(*loss, 4) : QString()});
  };
  BudgetQuestion question;
  question.flops = *flops;
  if (const auto answers = ask_laws(question))
    for (const LawAnswer& answer : *answers) row(said_text(answer.title), answer.best, answer.loss);
  if (!law_) return;
  const Allocation best = law_->best_for(*flops);
  row(tr("The law of these points"), best, law_->loss(best.weights, best.tokens));
}

void BudgetCard::retranslate() {
  set_title(tr("What a budget is best spent on"));
  label_->setText(tr("&Operations"));
  budget_->setAccessibleName(tr("Operations"));
  laws_->setAccessibleName(tr("Laws"));
  laws_->setHorizontalHeaderLabels(
      {tr("Law"), tr("Weights"), tr("Tokens"), tr("Tokens a weight"), tr("Loss")});
  ask();
}

}  // namespace luthier
