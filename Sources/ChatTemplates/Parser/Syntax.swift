// SPDX-License-Identifier: Apache-2.0
// The syntax tree. Chains of operators of equal precedence are flat, so evaluating or freeing a long one does not recurse.

/// An expression and its position.
struct Expression: Sendable {
    /// Position in scalars from the start of the template.
    let position: Int
    let kind: Kind

    indirect enum Kind: Sendable {
        case none
        case boolean(Bool)
        case integer(Int)
        case float(Double)
        case string(String)
        case name(String)
        case list([Expression])
        case tuple([Expression])
        case mapping([(key: Expression, value: Expression)])
        /// `operand.name`
        case attribute(Expression, String)
        /// `operand[index]`
        case item(Expression, Expression)
        /// `operand[start:stop:step]`
        case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
        case call(Expression, CallArguments)
        /// `operand | name(arguments)`; without operand, the body of a filter block.
        case filter(Expression?, String, CallArguments)
        /// `operand is name arguments`
        case test(Expression, String, CallArguments)
        case negate(Expression)
        case plus(Expression)
        case not(Expression)
        case and([Expression])
        case or([Expression])
        /// Left to right; all operators have the same precedence.
        case arithmetic(Expression, [(symbol: ArithmeticOperator, operand: Expression)])
        /// `a ~ b ~ c`
        case concatenation([Expression])
        /// `a < b <= c` is true when every neighbouring pair is.
        case comparison(Expression, [(symbol: ComparisonOperator, operand: Expression)])
        /// `then if condition else otherwise`
        case conditional(condition: Expression, then: Expression, otherwise: Expression?)
    }
}

enum ArithmeticOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case remainder = "%"
    case power = "**"
}

enum ComparisonOperator: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// The arguments of a call: `(a, name=b, *list, **mapping)`.
struct CallArguments: Sendable {
    var positional: [Expression] = []
    var named: [(name: String, value: Expression)] = []
    var spread: Expression?
    var spreadNamed: Expression?
}

/// The target of an assignment.
indirect enum AssignmentTarget: Sendable {
    case name(String)
    /// `namespace.attribute`
    case attribute(namespace: String, name: String)
    case tuple([AssignmentTarget])
}

/// A statement and its position.
struct Statement: Sendable {
    let position: Int
    let kind: Kind

    indirect enum Kind: Sendable {
        case text(String)
        case print(Expression)
        case set(AssignmentTarget, Expression)
        /// `{% set x | filters %}…{% endset %}`
        case setBlock(AssignmentTarget, filter: Expression?, body: [Statement])
        case conditional([(condition: Expression, body: [Statement])], otherwise: [Statement])
        case loop(LoopSyntax)
        case breakLoop
        case continueLoop
        case macro(MacroSyntax)
        /// `{% call(parameters) callee(…) %}…{% endcall %}`
        case call(Expression, caller: MacroSyntax)
        case filterBlock(Expression, body: [Statement])
        /// `{% with a = 1 %}…{% endwith %}`
        case with([(target: AssignmentTarget, value: Expression)], body: [Statement])
        /// `{% generation %}…{% endgeneration %}` marks trainable text and prints its body.
        case scope([Statement])
    }
}

struct LoopSyntax: Sendable {
    let target: AssignmentTarget
    let sequence: Expression
    let condition: Expression?
    let isRecursive: Bool
    let body: [Statement]
    let otherwise: [Statement]
}

/// A macro, or the body of a call block; shared by the tree and the values made from it.
final class MacroSyntax: Sendable {
    let name: String
    let parameters: [(name: String, defaultValue: Expression?)]
    let body: [Statement]
    /// Whether the body refers to `varargs` or `kwargs`: only then are surplus arguments allowed.
    let takesSurplusPositional: Bool
    let takesSurplusNamed: Bool

    init(
        name: String, parameters: [(name: String, defaultValue: Expression?)], body: [Statement],
        takesSurplusPositional: Bool, takesSurplusNamed: Bool
    ) {
        self.name = name
        self.parameters = parameters
        self.body = body
        self.takesSurplusPositional = takesSurplusPositional
        self.takesSurplusNamed = takesSurplusNamed
    }
}
