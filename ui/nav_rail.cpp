// SPDX-License-Identifier: GPL-3.0-or-later
// Painting and wiring of the rail.
#include "ui/nav_rail.h"

#include <QActionGroup>
#include <QButtonGroup>
#include <QMenu>
#include <QPainter>
#include <QSettings>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "ui/desk/run_notice.h"
#include "ui/desk/shortcuts.h"
#include "ui/desk/text_size.h"
#include "ui/language.h"
#include "ui/page.h"
#include "ui/theme.h"

namespace luthier {

RailButton::RailButton(const QString& icon, QWidget* parent)
    : QAbstractButton(parent), icon_(icon) {
  setCheckable(true);
  setFocusPolicy(Qt::StrongFocus);
  setCursor(Qt::PointingHandCursor);
  setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Maximum);  // closer on a low screen
}

void RailButton::set_dot(bool dot) {
  dot_ = dot;
  update();
}

QSize RailButton::sizeHint() const { return {scaled_length(80), scaled_length(60)}; }
/// On a low screen entries stand closer.
QSize RailButton::minimumSizeHint() const { return {scaled_length(80), scaled_length(44)}; }

void RailButton::enterEvent(QEnterEvent*) { update(); }
void RailButton::leaveEvent(QEvent*) { update(); }

void RailButton::focusInEvent(QFocusEvent* event) {
  ring_ = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason ||
          event->reason() == Qt::ShortcutFocusReason;
  QAbstractButton::focusInEvent(event);
}

void RailButton::paintEvent(QPaintEvent*) {
  const Colours& c = colours();
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  const QRectF box = QRectF(rect()).adjusted(6, 3, -6, -3);
  if (isChecked() || underMouse()) {
    QColor fill = isChecked() ? c.accent : c.muted;
    fill.setAlphaF(isChecked() ? 0.13f : 0.08f);
    p.setPen(Qt::NoPen);
    p.setBrush(fill);
    p.drawRoundedRect(box, 8, 8);
  }
  if (hasFocus() && ring_) {
    p.setPen(QPen(c.accent, 1.5));
    p.setBrush(Qt::NoBrush);
    p.drawRoundedRect(box, 8, 8);
  }
  const QColor ink = isChecked() ? c.accent : c.text;
  const int line = scaled_length(20);
  const int top = std::max(2, (height() - 23 - line) / 2 + 2);
  themed_icon(icon_, ink).paint(&p, QRect(width() / 2 - 10, top, 20, 20));
  p.setPen(ink);
  p.setFont(scaled_font(0.9, isChecked()));
  p.drawText(QRect(2, top + 22, width() - 4, line), Qt::AlignCenter, accessibleName());
  if (dot_) {
    p.setPen(QPen(c.card, 1.5));
    p.setBrush(c.series[1]);
    p.drawEllipse(QPointF(width() / 2.0 + 14, top + 2), 5, 5);
  }
}

NavRail::NavRail(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("rail"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 8, 0, 8);
  layout->setSpacing(0);
  auto* group = new QButtonGroup(this);
  group->setExclusive(true);
  const QStringList icons{QStringLiteral("model"), QStringLiteral("data"),
                          QStringLiteral("train"), QStringLiteral("compare"),
                          QStringLiteral("runs"),  QStringLiteral("methods"),
                          QStringLiteral("merge"), QStringLiteral("ranks"),
                          QStringLiteral("lab"),   QStringLiteral("start")};
  for (int i = 0; i < icons.size(); ++i) {
    auto* button = new RailButton(icons[i], this);
    button->setObjectName(QStringLiteral("rail_") + icons[i]);
    group->addButton(button, i);
    // Where a person begins stands first, though its number comes last.
    if (i == static_cast<int>(PageId::Start))
      layout->insertWidget(0, button);
    else
      layout->addWidget(button);
    buttons_.push_back(button);
  }
  on_language(this, [this] {
    const QStringList words{tr("&Model"), tr("&Data"),    tr("&Train"), tr("&Compare"),
                            tr("&Runs"),  tr("Met&hods"), tr("Mer&ge"), tr("Ran&ks"),
                            tr("&Lab"),   tr("St&art")};
    for (int i = 0; i < words.size(); ++i) {
      RailButton* button = buttons_[static_cast<std::size_t>(i)];
      button->setText(words[i]);
      QString plain = words[i];
      const int mnemonic = static_cast<int>(plain.indexOf(QLatin1String("(&")));
      plain = mnemonic >= 0 ? plain.left(mnemonic) : plain.remove(QLatin1Char('&'));
      button->setAccessibleName(plain);
      button->setToolTip(with_keys(plain, "page_" + page_name(i)));
    }
  });
  connect(group, &QButtonGroup::idClicked, this, &NavRail::chosen);
  layout->addStretch();
  layout->addWidget(make_help_button(), 0, Qt::AlignHCenter);
  layout->addWidget(make_settings_button(), 0, Qt::AlignHCenter);
  size_words();
  connect(&Theme::instance(), &Theme::changed, this, &NavRail::size_words);
}

void NavRail::size_words() {
  setFixedWidth(scaled_length(84));
  for (RailButton* button : buttons_) button->updateGeometry();
}

QToolButton* NavRail::make_foot_button(const QString& name, const QString& icon) {
  auto* button = new QToolButton(this);
  button->setObjectName(name + QStringLiteral("Button"));
  button->setAutoRaise(true);
  button->setPopupMode(QToolButton::InstantPopup);
  button->setIconSize({20, 20});
  set_themed_icon(button, icon);
  auto* menu = new QMenu(button);
  menu->setObjectName(name + QStringLiteral("Menu"));
  button->setMenu(menu);
  return button;
}

QToolButton* NavRail::make_help_button() {
  QToolButton* button = make_foot_button(QStringLiteral("help"), QStringLiteral("help"));
  std::vector<QAction*> actions;
  for (const char* what : {"tour", "help", "shortcuts"}) {
    QAction* action = button->menu()->addAction(QString());
    action->setObjectName(QStringLiteral("ask_") + QLatin1String(what));
    connect(action, &QAction::triggered, this,
            [this, what] { emit help_asked(QLatin1String(what)); });
    actions.push_back(action);
  }
  on_language(this, [button, actions] {
    button->setToolTip(tr("Help"));
    button->setAccessibleName(tr("Help"));
    actions[0]->setText(tr("Guided tour"));
    actions[1]->setText(with_keys(tr("Help on this page"), "help"));
    actions[2]->setText(with_keys(tr("Keyboard shortcuts"), "shortcuts"));
  });
  return button;
}

/// The size of words, and what is seen from afar.
void NavRail::add_look(QMenu* menu) {
  QAction* heading = menu->addSection(QString());
  std::vector<QAction*> sizes;
  for (const auto& [name, step] :
       {std::pair("larger", 1), std::pair("smaller", -1), std::pair("usual_size", 0)}) {
    QAction* action = menu->addAction(QString());
    action->setObjectName(QStringLiteral("text_") + QLatin1String(name));
    connect(action, &QAction::triggered, this, [step = step] { change_text_size(step); });
    sizes.push_back(action);
  }
  QAction* projector = menu->addAction(QString());
  projector->setObjectName(QStringLiteral("projector"));
  projector->setCheckable(true);
  connect(projector, &QAction::triggered, this, [](bool on) { choose_projector(on); });
  const auto follow = [projector] { projector->setChecked(Theme::instance().projector()); };
  follow();
  connect(&Theme::instance(), &Theme::changed, this, follow);
  QAction* notices = menu->addAction(QString());
  notices->setObjectName(QStringLiteral("notices"));
  notices->setCheckable(true);
  notices->setChecked(wants_run_notices());
  connect(notices, &QAction::triggered, this, [](bool on) { want_run_notices(on); });
  on_language(this, [heading, sizes, projector, notices] {
    heading->setText(tr("Words"));
    sizes[0]->setText(with_keys(tr("Larger"), "larger"));
    sizes[1]->setText(with_keys(tr("Smaller"), "smaller"));
    sizes[2]->setText(with_keys(tr("Usual size"), "usual_size"));
    projector->setText(with_keys(tr("Projector"), "projector"));
    notices->setText(tr("Tell the desktop when a run ends"));
  });
}

QToolButton* NavRail::make_settings_button() {
  QToolButton* button = make_foot_button(QStringLiteral("settings"), QStringLiteral("settings"));
  QMenu* menu = button->menu();
  const auto title = [menu] {
    QAction* action = menu->addSection(QString());
    return action;
  };
  QAction* language_title = title();
  auto* languages = new QActionGroup(menu);
  for (const auto& [code, name] :
       {std::pair("en", QStringLiteral("English")), std::pair("ko", QStringLiteral("한국어"))}) {
    QAction* action = menu->addAction(name);
    action->setObjectName(QStringLiteral("language_") + QLatin1String(code));
    action->setCheckable(true);
    action->setChecked(Language::instance().code() == QLatin1String(code));
    languages->addAction(action);
    connect(action, &QAction::triggered, this, [code = QString::fromLatin1(code)] {
      Language::instance().choose(code);
      QSettings().setValue(QStringLiteral("language"), code);
    });
  }
  QAction* theme_title = title();
  auto* themes = new QActionGroup(menu);
  std::vector<QAction*> theme_actions;
  const std::pair<Theme::Choice, const char*> choices[] = {{Theme::Choice::System, "system"},
                                                           {Theme::Choice::Light, "light"},
                                                           {Theme::Choice::Dark, "dark"}};
  for (const auto& [choice, name] : choices) {
    QAction* action = menu->addAction(QString());
    action->setObjectName(QStringLiteral("theme_") + QLatin1String(name));
    action->setCheckable(true);
    action->setChecked(Theme::instance().choice() == choice);
    themes->addAction(action);
    theme_actions.push_back(action);
    connect(action, &QAction::triggered, this, [choice = choice, name = QString::fromLatin1(name)] {
      Theme::instance().choose(choice);
      QSettings().setValue(QStringLiteral("theme"), name);
    });
  }
  add_look(menu);
  on_language(this, [button, language_title, theme_title, theme_actions] {
    button->setToolTip(tr("Language, theme and size of words"));
    button->setAccessibleName(tr("Language, theme and size of words"));
    language_title->setText(tr("Language"));
    theme_title->setText(tr("Theme"));
    theme_actions[0]->setText(tr("As the system"));
    theme_actions[1]->setText(tr("Light"));
    theme_actions[2]->setText(tr("Dark"));
  });
  return button;
}

std::string NavRail::page_name(int page) const {
  constexpr int kRail = 5;  // "rail_"
  return buttons_[static_cast<std::size_t>(page)]->objectName().mid(kRail).toStdString();
}

void NavRail::set_current(int page) { buttons_[static_cast<std::size_t>(page)]->setChecked(true); }
void NavRail::set_dot(int page, bool dot) {
  buttons_[static_cast<std::size_t>(page)]->set_dot(dot);
}

void NavRail::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(width() - 1, 0, width() - 1, height());
}

}  // namespace luthier
